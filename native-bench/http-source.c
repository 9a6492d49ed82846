/*
 * Purpose: the load source that hands mail in over HTTP: kept connections, one request at a time on each, a batch of
 *   messages a request (POST /v1/messages, JSON), the next one after the answer.
 * Contract: each message carries its id in the sender, `b<id>@bench.example`, as those of source.c do, and is of --size
 *   bytes with the header that the relay composes. Submission is the moment the first byte of its request is written,
 *   acceptance the moment the whole answer was read, if it says 202 of that item. A request that is answered otherwise is
 *   not sent again. Ends after --count messages or --seconds, and prints one line of JSON as source.c does.
 * Limits: one thread, IPv4, HTTP/1.1 in the clear, answers with Content-Length of up to 256 KiB.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <getopt.h>
#include <sys/epoll.h>

#define ANSWER_ROOM (256 * 1024)

struct client {
  int fd;
  uint64_t first, messages; /* of the request under way */
  size_t sent, length, got;
  char *request;
  char answer[ANSWER_ROOM];
};

static struct ledger ledger;
static uint64_t connections = 8, batch = 100, size = 1024, total, first_id = 1, next_id;
static uint64_t accepted, rejected, tempfailed, unanswered, started, last_accept, deadline;
static char last_rejection[200];
static char *text; /* of every message, fit for JSON */
static size_t text_length, room;

static const char item_form[] =
    "{\"from\":\"b%llu@bench.example\",\"to\":[\"someone@dest.example\"],\"subject\":\"bench message %010llu\",\"text\":\"";

static void make_text(void) {
  size_t wanted = size > 320 ? size - 320 : 1; /* what the relay puts before it takes about as much */
  uint64_t random = 88172645463325252u;
  text = malloc(wanted * 2 + 8);
  if (text == NULL) die("out of memory");
  for (size_t at = 0; at < wanted; at++) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    if (at % 78 == 77) text[text_length++] = '\\', text[text_length++] = 'n';
    else text[text_length++] = "etaoinshrdlucmfwypvbgkjqxz ETAOIN"[at % 78 == 0 ? random % 26 : random % 33];
  }
}

static int may_begin(void) { return (total == 0 || next_id < total) && now_ns() < deadline; }

/* Writes what is left of the request; 0: the connection broke. */
static int push(struct client *client) {
  while (client->sent < client->length) {
    ssize_t wrote = write(client->fd, client->request + client->sent, client->length - client->sent);
    if (wrote < 0) return errno == EAGAIN;
    client->sent += (size_t)wrote;
  }
  return 1;
}

/* The next request; 0: there is none, or the connection broke. */
static int begin(struct client *client) {
  client->messages = 0;
  if (!may_begin()) return 0;
  char *body = client->request + 256, *at = body;
  client->first = first_id + next_id;
  client->messages = total != 0 && total - next_id < batch ? total - next_id : batch;
  next_id += client->messages;
  if (batch > 1) *at++ = '[';
  uint64_t now = now_ns();
  for (uint64_t i = 0; i < client->messages; i++) {
    unsigned long long id = client->first + i;
    struct record *record = ledger_record(&ledger, id);
    if (ledger.header != NULL && record == NULL) die("the ledger is too small");
    if (record != NULL) record->sent_ns = now;
    if (i > 0) *at++ = ',';
    at += sprintf(at, item_form, id, id);
    memcpy(at, text, text_length);
    at += text_length;
    *at++ = '"', *at++ = '}';
  }
  if (batch > 1) *at++ = ']';
  size_t length = (size_t)(at - body);
  char head[256];
  size_t head_length = (size_t)snprintf(head, sizeof head,
                                        "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", length);
  memmove(client->request + head_length, body, length);
  memcpy(client->request, head, head_length);
  client->length = head_length + length;
  client->sent = client->got = 0;
  return push(client);
}

static void note(struct client *client, uint64_t i, int status, const char *words) {
  struct record *record = ledger_record(&ledger, client->first + i);
  if (status == 202) {
    accepted++;
    if (record == NULL) return;
    __atomic_store_n(&record->accepted_ns, last_accept, __ATOMIC_RELEASE);
    count(&ledger.header->accepted, 1);
    return;
  }
  if (status == 429 || status >= 500) tempfailed++;
  else rejected++;
  snprintf(last_rejection, sizeof last_rejection, "%.*s", (int)strcspn(words, "\"\r\n"), words);
}

/* Takes the whole answer apart: the status of each item, in order. */
static void settle(struct client *client, const char *body) {
  int status = atoi(client->answer + 9);
  uint64_t i = 0;
  last_accept = now_ns();
  if (batch > 1)
    for (const char *at = body; i < client->messages && (at = strstr(at, "\"status\":")) != NULL; i++) {
      at += 9;
      note(client, i, atoi(at), "an item was refused");
    }
  for (; i < client->messages; i++) note(client, i, batch > 1 && status == 202 ? 500 : status, client->answer);
}

/* Reads; 0: the connection is over. */
static int pull(struct client *client) {
  for (;;) {
    ssize_t got = read(client->fd, client->answer + client->got, ANSWER_ROOM - 1 - client->got);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) {
      unanswered += client->messages;
      return 0;
    }
    client->got += (size_t)got;
    client->answer[client->got] = '\0';
    char *end = strstr(client->answer, "\r\n\r\n");
    const char *length = strcasestr(client->answer, "content-length:");
    if (end == NULL || length == NULL || length > end) continue;
    if (client->got < (size_t)(end + 4 - client->answer) + strtoull(length + 15, NULL, 10)) continue;
    settle(client, end + 4);
    return begin(client);
  }
}

static uint64_t read_options(int argc, char **argv) {
  static const struct option options[] = {{"port", 1, 0, 'p'},  {"ledger", 1, 0, 'l'},  {"connections", 1, 0, 'c'},
                                          {"count", 1, 0, 'n'}, {"seconds", 1, 0, 's'}, {"size", 1, 0, 'b'},
                                          {"batch", 1, 0, 'k'}, {"first-id", 1, 0, 'f'}, {0, 0, 0, 0}};
  const char *path = NULL;
  uint64_t port = 0, seconds = 0;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'p') port = number("--port", optarg);
    else if (option == 'l') path = optarg;
    else if (option == 'c') connections = number("--connections", optarg);
    else if (option == 'n') total = number("--count", optarg);
    else if (option == 's') seconds = number("--seconds", optarg);
    else if (option == 'b') size = number("--size", optarg);
    else if (option == 'k') batch = number("--batch", optarg);
    else if (option == 'f') first_id = number("--first-id", optarg);
    else die("usage: http-source --port N [--ledger FILE] [--connections 8] [--batch 100] [--size 1024] [--count N] "
             "[--seconds S] [--first-id 1]");
  }
  if (port == 0 || (total == 0 && seconds == 0) || batch == 0) die("--port, and --count or --seconds are wanted");
  ledger = ledger_open(path);
  deadline = seconds > 0 ? now_ns() + seconds * 1000000000u : UINT64_MAX;
  return port;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  struct sockaddr_in server = address_of("127.0.0.1", read_options(argc, argv));
  make_text();
  room = 512 + batch * (sizeof item_form + 64 + text_length);
  int poller = epoll_create1(EPOLL_CLOEXEC);
  uint64_t open = 0;
  started = now_ns();
  for (uint64_t i = 0; i < connections; i++) {
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL || (client->request = malloc(room)) == NULL) die("out of memory");
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(client->fd, (struct sockaddr *)&server, sizeof server) != 0) die("connect: %s", strerror(errno));
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client};
    epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event);
    if (begin(client)) open++;
    else close(client->fd);
  }
  while (open > 0) {
    struct epoll_event ready[64];
    int found = epoll_wait(poller, ready, 64, 1000);
    for (int i = 0; i < found; i++) {
      struct client *client = ready[i].data.ptr;
      int goes_on = (ready[i].events & EPOLLOUT) == 0 || push(client);
      if (goes_on && (ready[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))) goes_on = pull(client);
      if (goes_on) continue;
      close(client->fd);
      open--;
    }
    if (now_ns() > deadline && now_ns() - deadline > 30 * 1000000000ull) break;
  }
  printf("{\"started\":%llu,\"accepted\":%llu,\"rejected\":%llu,\"tempfailed\":%llu,\"unanswered\":%llu,"
         "\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"last_rejection\":\"%s\"}\n",
         (unsigned long long)next_id, (unsigned long long)accepted, (unsigned long long)rejected,
         (unsigned long long)tempfailed, (unsigned long long)unanswered,
         last_accept > started ? (double)(last_accept - started) / 1e9 : 0.0, cpu_seconds(), last_rejection);
  return 0;
}
