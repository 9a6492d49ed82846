/*
 * Purpose: the next hop of a benchmark: an SMTP server that takes every message and notes in the ledger which one
 *   came, when, and how often.
 * Contract: prints `port N` when it listens. A message's id is the number in its sender, `b<id>@...`; any other
 *   sender is counted as foreign. Pipelined commands of one read are answered by one write. Ends on SIGTERM or
 *   SIGINT, or when --expect messages were delivered, and then prints one line of JSON. SIGUSR1 ends --reply-4xx.
 *   With --tls-cert and --tls-key it offers STARTTLS, or with --tls-implicit begins every connection with TLS.
 *   --find counts a text in what is read (a proof that messages were signed; one split over two reads is missed).
 * Limits: one thread; commands up to 2,000 bytes; answers MAIL and RCPT without looking at more than the id.
 */
#define _GNU_SOURCE
#include "bench.h"
#include "bench-tls.h"
#include "sink-figures.h"

#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>

#define LINE_MAX_BYTES 2048
#define READ_MAX (256 * 1024)
#define OUT_MAX 8192

enum mode { COMMAND, DATA, CHUNK, HANDSHAKE };

struct connection {
  struct channel channel;
  enum mode mode;
  uint64_t id;          /* of the transaction; 0 = foreign or none */
  unsigned recipients;  /* accepted in this transaction */
  uint64_t chunk_left;  /* bytes of the BDAT chunk still to come */
  int chunk_last;
  uint64_t due_ns;      /* with --slow-ms: when the held output may go */
  struct connection *next_due;
  int held, quitting, dead;
  uint32_t events; /* what epoll watches for */
  char *carry;     /* bytes read and not yet taken: part of a command, the last 4 of data, or what came while held */
  size_t carry_length, carry_room, out_length;
  char out[OUT_MAX];
};

static int poller, chunking, tls_offered, tls_implicit;
static uint64_t slow_ns, reply_4xx, four_turn, expect;
static volatile sig_atomic_t stopping, stop_4xx;
static struct connection *due_head, *due_tail;
static const char *find;
static char input[2 * READ_MAX];

static void on_stop(int signal_number) { (void)signal_number; stopping = 1; }
static void on_usr1(int signal_number) { (void)signal_number; stop_4xx = 1; }

static void watch(struct connection *connection, uint32_t events) {
  if (connection->events == events) return;
  struct epoll_event event = {.events = events, .data.ptr = connection};
  connection->events = events;
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->channel.fd, &event);
}

/* Queues a reply. Whoever pipelines more replies than the buffer holds without reading them is cut off. */
static void reply(struct connection *connection, const char *text) {
  size_t length = strlen(text);
  if (connection->out_length + length > OUT_MAX) {
    connection->dead = 1;
    return;
  }
  memcpy(connection->out + connection->out_length, text, length);
  connection->out_length += length;
}

static void flush_out(struct connection *connection) {
  if (connection->out_length == 0 || connection->dead) return;
  ssize_t sent = channel_write(&connection->channel, connection->out, connection->out_length);
  if (sent < 0 && errno != EAGAIN) {
    connection->dead = 1;
    return;
  }
  if (sent > 0) {
    connection->out_length -= (size_t)sent;
    memmove(connection->out, connection->out + sent, connection->out_length);
  }
  watch(connection, connection->out_length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Notes the message whose last byte has just been read, and answers it. */
static void deliver(struct connection *connection) {
  uint64_t now = now_ns();
  note_message(connection->id, now);
  connection->id = 0;
  connection->recipients = 0;
  reply(connection, "250 2.0.0 Ok\r\n");
  if (slow_ns > 0) {
    connection->held = 1;
    connection->due_ns = now + slow_ns;
    connection->next_due = NULL;
    if (due_tail != NULL) due_tail->next_due = connection; else due_head = connection;
    due_tail = connection;
    watch(connection, 0);
  }
  if (expect > 0 && delivered >= expect) stopping = 1;
}

/* Answers a BDAT chunk that has been read to its end. */
static void chunk_done(struct connection *connection) {
  connection->mode = COMMAND;
  if (connection->recipients == 0) reply(connection, "554 5.5.1 No valid recipients\r\n");
  else if (connection->chunk_last) deliver(connection);
  else reply(connection, "250 2.0.0 Ok\r\n");
}

static int verb_is(const char *line, size_t length, const char *verb) {
  size_t want = strlen(verb);
  return length >= want && strncasecmp(line, verb, want) == 0;
}

/* The id in `MAIL FROM:<b123@...>`, or 0. */
static uint64_t sender_id(const char *line, size_t length) {
  const char *at = memchr(line, '<', length), *end = line + length;
  uint64_t id = 0;
  if (at == NULL || ++at >= end || *at != 'b') return 0;
  for (at++; at < end && *at >= '0' && *at <= '9'; at++) id = id * 10 + (uint64_t)(*at - '0');
  return at < end && *at == '@' ? id : 0;
}

static void command(struct connection *connection, const char *line, size_t length) {
  if (verb_is(line, length, "MAIL FROM:")) {
    connection->id = sender_id(line, length);
    connection->recipients = 0;
    reply(connection, "250 2.1.0 Ok\r\n");
  } else if (verb_is(line, length, "RCPT TO:")) {
    if (stop_4xx) reply_4xx = 0;
    if (reply_4xx > 0 && four_turn++ % 100 < reply_4xx) {
      tempfailed++;
      if (ledger.header != NULL) count(&ledger.header->tempfailed, 1);
      reply(connection, "451 4.7.1 Try again later\r\n");
    } else {
      connection->recipients++;
      reply(connection, "250 2.1.5 Ok\r\n");
    }
  } else if (verb_is(line, length, "DATA")) {
    if (connection->recipients == 0) {
      rejected_empty++;
      reply(connection, "554 5.5.1 No valid recipients\r\n");
    } else {
      connection->mode = DATA;
      reply(connection, "354 Go on\r\n");
    }
  } else if (chunking && verb_is(line, length, "BDAT ")) {
    char *end = NULL;
    connection->chunk_left = strtoull(line + 5, &end, 10);
    while (end < line + length && *end == ' ') end++;
    connection->chunk_last = verb_is(end, (size_t)(line + length - end), "LAST");
    connection->mode = CHUNK;
  } else if (verb_is(line, length, "EHLO")) {
    reply(connection, "250-sink.bench.example\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n");
    if (tls_offered && connection->channel.ssl == NULL) reply(connection, "250-STARTTLS\r\n");
    if (chunking) reply(connection, "250-CHUNKING\r\n");
    reply(connection, "250 ENHANCEDSTATUSCODES\r\n");
  } else if (tls_offered && connection->channel.ssl == NULL && verb_is(line, length, "STARTTLS")) {
    reply(connection, "220 2.0.0 Go on\r\n");
    connection->mode = HANDSHAKE;
  } else if (verb_is(line, length, "HELO")) {
    reply(connection, "250 sink.bench.example\r\n");
  } else if (verb_is(line, length, "RSET")) {
    connection->id = 0;
    connection->recipients = 0;
    reply(connection, "250 2.0.0 Ok\r\n");
  } else if (verb_is(line, length, "NOOP")) {
    reply(connection, "250 2.0.0 Ok\r\n");
  } else if (verb_is(line, length, "QUIT")) {
    reply(connection, "221 2.0.0 Bye\r\n");
    connection->quitting = 1;
  } else {
    reply(connection, "500 5.5.2 What?\r\n");
  }
}

/* Takes what it can from `length` bytes; returns how many were used. The rest is carried to the next read. */
static size_t consume(struct connection *connection, char *bytes, size_t length) {
  size_t at = 0;
  while (at < length && !connection->held && !connection->quitting && !connection->dead) {
    if (connection->mode == DATA) {
      char *end = memmem(bytes + at, length - at, "\r\n.\r\n", 5);
      if (end == NULL) return length - at > 4 ? length - 4 : at;
      at = (size_t)(end - bytes) + 5;
      connection->mode = COMMAND;
      deliver(connection);
    } else if (connection->mode == CHUNK) {
      size_t take = length - at < connection->chunk_left ? length - at : (size_t)connection->chunk_left;
      at += take;
      connection->chunk_left -= take;
      if (connection->chunk_left > 0) return at;
      chunk_done(connection);
    } else {
      char *end = memchr(bytes + at, '\n', length - at);
      if (end == NULL) {
        if (length - at >= LINE_MAX_BYTES) connection->dead = 1;
        return at;
      }
      size_t line_at = at, line_length = (size_t)(end - bytes) - at;
      int whole = line_length > 0 && end[-1] == '\r';
      at = (size_t)(end - bytes) + 1;
      command(connection, bytes + line_at, line_length - (size_t)whole);
      if (connection->mode == HANDSHAKE) return length; /* what was sent in the clear behind STARTTLS counts for nothing */
      /* The line end of the DATA command is also the CRLF in front of a first line that is a lone dot. */
      if (connection->mode == DATA && whole) at -= 2;
    }
  }
  /* BDAT 0 LAST has no bytes to wait for. */
  if (connection->mode == CHUNK && connection->chunk_left == 0 && !connection->held) chunk_done(connection);
  return at;
}

static void close_connection(struct connection *connection) {
  if (connection->held) {
    connection->dead = 1; /* still in the list of held ones: freed when its time comes */
    epoll_ctl(poller, EPOLL_CTL_DEL, connection->channel.fd, NULL);
    return;
  }
  channel_close(&connection->channel);
  free(connection->carry);
  free(connection);
}

/* Keeps the bytes that were not taken for the next read. */
static void keep(struct connection *connection, const char *bytes, size_t length) {
  if (length > connection->carry_room) {
    char *grown = realloc(connection->carry, length);
    if (grown == NULL) die("out of memory");
    connection->carry = grown;
    connection->carry_room = length;
  }
  if (length > 0) memcpy(connection->carry, bytes, length);
  connection->carry_length = length;
}

static void serve(struct connection *connection);

static void greet(struct connection *connection) {
  reply(connection, "220 sink.bench.example ESMTP\r\n");
  flush_out(connection);
}

/* Goes on with a handshake, which with implicit TLS the greeting follows. */
static void shake(struct connection *connection) {
  enum handshake result = tls_handshake(&connection->channel);
  if (result == HANDSHAKE_FAILED) {
    handshakes_failed++;
    close_connection(connection);
  } else if (result != HANDSHAKE_DONE) {
    watch(connection, result == HANDSHAKE_WRITES ? EPOLLIN | EPOLLOUT : EPOLLIN);
  } else {
    handshakes++;
    connection->mode = COMMAND;
    watch(connection, EPOLLIN);
    if (tls_implicit) greet(connection);
    if (channel_pending(&connection->channel)) serve(connection);
  }
}

/* Reads once, takes what is there and answers. */
static void serve(struct connection *connection) {
  size_t old = connection->carry_length;
  if (old > 0) memcpy(input, connection->carry, old);
  ssize_t got = channel_read(&connection->channel, input + old, READ_MAX);
  if (got == 0 || (got < 0 && errno != EAGAIN)) {
    close_connection(connection);
    return;
  }
  size_t fresh = got > 0 ? (size_t)got : 0;
  bytes_total += fresh;
  if (ledger.header != NULL) count(&ledger.header->bytes, fresh);
  if (find != NULL && fresh > 0)
    for (char *at = input; (at = memmem(at, (size_t)(input + old + fresh - at), find, strlen(find))) != NULL; at++)
      found_count++;
  size_t used = consume(connection, input, old + fresh);
  keep(connection, input + used, old + fresh - used);
  if (!connection->held) flush_out(connection);
  if (connection->dead || connection->quitting) close_connection(connection);
  else if (connection->mode == HANDSHAKE) tls_begin(&connection->channel, 1);
  else if (!connection->held && channel_pending(&connection->channel)) serve(connection);
}

/* Lets go the replies whose delay is over; returns the milliseconds until the next one, or -1. */
static int release_due(void) {
  while (due_head != NULL) {
    struct connection *connection = due_head;
    uint64_t now = now_ns();
    if (connection->due_ns > now) return (int)((connection->due_ns - now) / 1000000u) + 1;
    due_head = connection->next_due;
    if (due_head == NULL) due_tail = NULL;
    connection->held = 0;
    if (connection->dead) close_connection(connection);
    else {
      flush_out(connection);
      serve(connection);
    }
  }
  return -1;
}

static void take_connection(int fd) {
  struct connection *fresh = calloc(1, sizeof *fresh);
  if (fresh == NULL) die("out of memory");
  fresh->channel.fd = fd;
  connections_seen++;
  fresh->events = EPOLLIN;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = fresh};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  if (tls_implicit) {
    fresh->mode = HANDSHAKE;
    tls_begin(&fresh->channel, 1);
  } else greet(fresh);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"host", 1, 0, 'h'},   {"port", 1, 0, 'p'},      {"ledger", 1, 0, 'l'}, {"chunking", 0, 0, 'c'},
      {"slow-ms", 1, 0, 's'}, {"reply-4xx", 1, 0, '4'}, {"expect", 1, 0, 'e'}, {"find", 1, 0, 'f'},
      {"tls-cert", 1, 0, 'C'}, {"tls-key", 1, 0, 'K'},  {"tls-implicit", 0, 0, 'I'}, {0, 0, 0, 0}};
  const char *host = "127.0.0.1", *path = NULL, *certificate = NULL, *key = NULL;
  uint64_t port = 0;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'h') host = optarg;
    else if (option == 'p') port = number("--port", optarg);
    else if (option == 'l') path = optarg;
    else if (option == 'c') chunking = 1;
    else if (option == 's') slow_ns = number("--slow-ms", optarg) * 1000000u;
    else if (option == '4') reply_4xx = number("--reply-4xx", optarg);
    else if (option == 'e') expect = number("--expect", optarg);
    else if (option == 'f') find = optarg;
    else if (option == 'C') certificate = optarg;
    else if (option == 'K') key = optarg;
    else if (option == 'I') tls_implicit = 1;
    else die("usage: sink [--host A] [--port N] [--ledger FILE] [--chunking] [--slow-ms N] [--reply-4xx PERCENT] "
             "[--expect N] [--find TEXT] [--tls-cert FILE --tls-key FILE [--tls-implicit]]");
  }
  if (certificate != NULL && key != NULL) tls_server(certificate, key), tls_offered = 1;
  else if (certificate != NULL || key != NULL || tls_implicit) die("--tls-cert and --tls-key go together");
  struct sigaction action = {.sa_handler = on_stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  action.sa_handler = on_usr1;
  sigaction(SIGUSR1, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  ledger = ledger_open(path);
  poller = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_and_tell(host, port);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, ready[256];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  while (!stopping) {
    int found = epoll_wait(poller, ready, 256, release_due());
    for (int index = 0; index < found; index++) {
      struct connection *connection = ready[index].data.ptr;
      if (connection == NULL) {
        for (int fd; (fd = accept_one(listener)) >= 0;) take_connection(fd);
      } else if (connection->mode == HANDSHAKE) {
        shake(connection);
      } else if (!connection->held) {
        if (ready[index].events & EPOLLOUT) flush_out(connection);
        serve(connection);
      }
    }
  }
  report();
  return 0;
}
