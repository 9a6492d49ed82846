/*
 * Purpose: the yardstick row: what a relay in C reaches that parses SMTP on both sides and does nothing else.
 * Contract: prints `port N` when it listens. Answers 250 to the final dot at once, holds the message in memory, and
 *   forwards it over a pool of kept connections, commands pipelined. Nothing is durable, rewritten or signed.
 * Limits: one thread; above --memory-mb of held messages MAIL is answered 452; a message that the next hop refuses is
 *   counted and dropped; commands up to 2,000 bytes.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>

#define LINE_MAX_BYTES 2048
#define READ_MAX (256 * 1024)

/* A message as it goes out: MAIL, RCPT and DATA commands, then from data_at on the data with its end. */
struct message {
  struct message *next;
  size_t length, room, data_at;
  unsigned recipients;
  char *bytes;
};

enum kind { CLIENT, UPSTREAM };
enum upstream_state { GREETING, HELLO, IDLE, COMMANDS, BODY };

struct connection {
  int fd;
  enum kind kind;
  uint32_t events;
  int in_data, closing;        /* client */
  enum upstream_state state;   /* upstream */
  unsigned replies_due;        /* upstream: to the pipelined commands, DATA's included */
  size_t sent;                 /* upstream: bytes of the message written */
  struct message *message;     /* client: being received; upstream: being sent */
  struct connection *next_idle;
  size_t in_length, out_length;
  char in[LINE_MAX_BYTES];
  char out[1024];
};

static int poller;
static struct sockaddr_in upstream_address;
static struct connection *idle_list;
static struct message *queue_head, *queue_tail;
static uint64_t pool = 50, memory_limit = 512u << 20, memory_held, received, forwarded, refused;
static volatile sig_atomic_t stopping;
static char input[LINE_MAX_BYTES + READ_MAX];

static void on_stop(int signal_number) { (void)signal_number; stopping = 1; }

static void watch(struct connection *connection, uint32_t events) {
  if (connection->events == events) return;
  struct epoll_event event = {.events = events, .data.ptr = connection};
  connection->events = events;
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
}

static struct connection *adopt(int fd, enum kind kind) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) die("out of memory");
  connection->fd = fd;
  connection->kind = kind;
  connection->events = EPOLLIN;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  return connection;
}

static void append(struct message *message, const char *bytes, size_t length) {
  if (message->length + length > message->room) {
    size_t room = message->room > 0 ? message->room : 16384;
    while (room < message->length + length) room *= 2;
    message->bytes = realloc(message->bytes, room);
    if (message->bytes == NULL) die("out of memory");
    memory_held += room - message->room;
    message->room = room;
  }
  memcpy(message->bytes + message->length, bytes, length);
  message->length += length;
}

static void release(struct message *message) {
  if (message == NULL) return;
  memory_held -= message->room;
  free(message->bytes);
  free(message);
}

static void enqueue(struct message *message) {
  message->next = NULL;
  if (queue_tail != NULL) queue_tail->next = message; else queue_head = message;
  queue_tail = message;
}

static void send_rest(struct connection *upstream, size_t end) {
  ssize_t sent = write(upstream->fd, upstream->message->bytes + upstream->sent, end - upstream->sent);
  if (sent > 0) upstream->sent += (size_t)sent;
  watch(upstream, upstream->sent < end ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static size_t sending_end(const struct connection *upstream) {
  return upstream->state == COMMANDS ? upstream->message->data_at : upstream->message->length;
}

static void dispatch(void) {
  while (queue_head != NULL && idle_list != NULL) {
    struct connection *upstream = idle_list;
    idle_list = upstream->next_idle;
    upstream->message = queue_head;
    queue_head = queue_head->next;
    if (queue_head == NULL) queue_tail = NULL;
    upstream->state = COMMANDS;
    upstream->sent = 0;
    upstream->replies_due = upstream->message->recipients + 2;
    send_rest(upstream, upstream->message->data_at);
  }
}

static void open_upstream(void) {
  int fd = connect_begin(&upstream_address);
  if (fd < 0) die("null-relay: connect: %s", strerror(errno));
  adopt(fd, UPSTREAM);
}

static void close_connection(struct connection *connection) {
  if (connection->kind == UPSTREAM) {
    if (connection->state == IDLE) {
      struct connection **link = &idle_list;
      while (*link != NULL && *link != connection) link = &(*link)->next_idle;
      if (*link != NULL) *link = connection->next_idle;
    }
    if (connection->message != NULL) enqueue(connection->message);
    if (!stopping) open_upstream();
  } else release(connection->message);
  close(connection->fd);
  free(connection);
}

/* One complete reply of the next hop. */
static void upstream_reply(struct connection *upstream, int code) {
  if (upstream->state == GREETING) {
    if (code != 220) die("null-relay: the next hop greets with %d", code);
    upstream->state = HELLO;
    (void)!write(upstream->fd, "EHLO null-relay.bench.example\r\n", 31);
  } else if (upstream->state == COMMANDS) {
    if (--upstream->replies_due > 0) {
      if (code >= 400) upstream->closing = 1; /* refused: wait for the rest, then let it go */
      return;
    }
    if (code == 354 && !upstream->closing) {
      upstream->state = BODY;
      send_rest(upstream, upstream->message->length);
      return;
    }
    refused++;
  } else if (upstream->state == BODY) {
    if (code >= 200 && code < 300) forwarded++; else refused++;
  }
  if (upstream->state == GREETING || (upstream->state == HELLO && code == 220)) return;
  release(upstream->message);
  upstream->message = NULL;
  if (upstream->closing) {
    shutdown(upstream->fd, SHUT_RDWR); /* an open DATA or half a transaction: start afresh */
    return;
  }
  upstream->state = IDLE;
  upstream->next_idle = idle_list;
  idle_list = upstream;
}

static void answer(struct connection *client, const char *text) {
  size_t length = strlen(text);
  if (client->out_length + length > sizeof client->out) client->closing = 1;
  else {
    memcpy(client->out + client->out_length, text, length);
    client->out_length += length;
  }
}

static void client_command(struct connection *client, const char *line, size_t length) {
  if (length >= 10 && strncasecmp(line, "MAIL FROM:", 10) == 0) {
    if (memory_held > memory_limit) {
      answer(client, "452 4.3.1 Memory is full\r\n");
      return;
    }
    release(client->message);
    client->message = calloc(1, sizeof *client->message);
    if (client->message == NULL) die("out of memory");
    append(client->message, line, length);
    append(client->message, "\r\n", 2);
    answer(client, "250 2.1.0 Ok\r\n");
  } else if (length >= 8 && strncasecmp(line, "RCPT TO:", 8) == 0 && client->message != NULL) {
    append(client->message, line, length);
    append(client->message, "\r\n", 2);
    client->message->recipients++;
    answer(client, "250 2.1.5 Ok\r\n");
  } else if (length == 4 && strncasecmp(line, "DATA", 4) == 0 && client->message != NULL &&
             client->message->recipients > 0) {
    append(client->message, "DATA\r\n", 6);
    client->message->data_at = client->message->length;
    client->in_data = 1;
    answer(client, "354 Go on\r\n");
  } else if (length >= 4 && strncasecmp(line, "EHLO", 4) == 0) {
    answer(client, "250-null-relay.bench.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
  } else if (length >= 4 && (strncasecmp(line, "RSET", 4) == 0 || strncasecmp(line, "HELO", 4) == 0)) {
    release(client->message);
    client->message = NULL;
    answer(client, "250 2.0.0 Ok\r\n");
  } else if (length == 4 && strncasecmp(line, "QUIT", 4) == 0) {
    answer(client, "221 2.0.0 Bye\r\n");
    client->closing = 1;
  } else {
    answer(client, "503 5.5.1 Not now\r\n");
  }
}

/* Appends data to the message; returns how many bytes belonged to it. */
static size_t client_data(struct connection *client, const char *bytes, size_t length) {
  struct message *message = client->message;
  /* The end may straddle two reads, and may be the first line: look back four bytes, or two into the DATA line. */
  size_t known = message->length - message->data_at;
  size_t from = message->length - (known + 2 < 4 ? known + 2 : 4);
  append(message, bytes, length);
  char *end = memmem(message->bytes + from, message->length - from, "\r\n.\r\n", 5);
  if (end == NULL) return length;
  size_t over = message->length - ((size_t)(end - message->bytes) + 5);
  message->length -= over;
  client->in_data = 0;
  client->message = NULL;
  received++;
  enqueue(message);
  answer(client, "250 2.0.0 Ok\r\n");
  return length - over;
}

static void serve(struct connection *connection) {
  memcpy(input, connection->in, connection->in_length);
  ssize_t got = read(connection->fd, input + connection->in_length, READ_MAX);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    close_connection(connection);
    return;
  }
  size_t length = connection->in_length + (size_t)got, at = 0;
  while (at < length) {
    if (connection->in_data) {
      at += client_data(connection, input + at, length - at);
      continue;
    }
    char *end = memchr(input + at, '\n', length - at);
    if (end == NULL) break;
    char *line = input + at;
    size_t line_length = (size_t)(end - line);
    if (line_length > 0 && end[-1] == '\r') line_length--;
    at = (size_t)(end - input) + 1;
    if (connection->kind == CLIENT) client_command(connection, line, line_length);
    else if (line_length >= 3 && (line_length == 3 || line[3] != '-')) upstream_reply(connection, atoi(line));
  }
  connection->in_length = length - at;
  if (connection->in_length > sizeof connection->in) {
    close_connection(connection);
    return;
  }
  memcpy(connection->in, input + at, connection->in_length);
  if (connection->out_length > 0) {
    /* The client waits for these few bytes: they fit its socket buffer, or it is cut off. */
    ssize_t sent = write(connection->fd, connection->out, connection->out_length);
    if (sent != (ssize_t)connection->out_length) connection->closing = 1;
    connection->out_length = 0;
  }
  if (connection->kind == CLIENT && connection->closing) close_connection(connection);
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"port", 1, 0, 'p'}, {"upstream-port", 1, 0, 'u'}, {"pool", 1, 0, 'n'},
                                          {"memory-mb", 1, 0, 'm'}, {0, 0, 0, 0}};
  uint64_t port = 0, upstream_port = 0;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'p') port = number("--port", optarg);
    else if (option == 'u') upstream_port = number("--upstream-port", optarg);
    else if (option == 'n') pool = number("--pool", optarg);
    else if (option == 'm') memory_limit = number("--memory-mb", optarg) << 20;
    else die("usage: null-relay --upstream-port N [--port N] [--pool 50] [--memory-mb 512]");
  }
  if (upstream_port == 0) die("null-relay: --upstream-port is missing");
  struct sigaction action = {.sa_handler = on_stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  upstream_address = address_of("127.0.0.1", upstream_port);
  poller = epoll_create1(EPOLL_CLOEXEC);
  for (uint64_t index = 0; index < pool; index++) open_upstream();
  int listener = listen_and_tell("127.0.0.1", port);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, ready[256];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  while (!stopping) {
    int found = epoll_wait(poller, ready, 256, -1);
    for (int index = 0; index < found; index++) {
      struct connection *connection = ready[index].data.ptr;
      if (connection == NULL) {
        for (int fd; (fd = accept_one(listener)) >= 0;) {
          adopt(fd, CLIENT);
          (void)!write(fd, "220 null-relay.bench.example ESMTP\r\n", 36);
        }
        continue;
      }
      if ((ready[index].events & EPOLLOUT) && connection->message != NULL) send_rest(connection, sending_end(connection));
      serve(connection);
    }
    dispatch();
  }
  printf("{\"received\":%llu,\"forwarded\":%llu,\"refused\":%llu}\n", (unsigned long long)received,
         (unsigned long long)forwarded, (unsigned long long)refused);
  return 0;
}
