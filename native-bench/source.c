/*
 * Purpose: the load source of a benchmark: kept connections, or a new one per message, one message per transaction,
 *   every command sent only after the reply to the one before (no pipelining).
 * Contract: each message carries its id in the sender, `b<id>@bench.example`, and in X-Bench-Id. The time of
 *   submission is the moment its first MAIL command is written; a message that is answered 4yz is tried again under
 *   the same id and keeps that first time. A 421 or a close between transactions (a server's limit of messages per
 *   connection) means a new connection and is no error. A connection that breaks after the final dot leaves the
 *   fate of its message unknown: it is counted as unanswered and not sent again.
 *   Ends after --count messages or --seconds, then waits up to --grace seconds for the replies still owed, and
 *   prints one line of JSON. With --hold it only opens and greets its connections, prints `held N`, and keeps them
 *   until SIGTERM.
 * Limits: one thread, IPv4, one recipient per message.
 */
#define _GNU_SOURCE
#include "bench.h"
#include "bench-message.h"

#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/uio.h>

enum state { CLOSED, CONNECTING, GREETING, HELLO, READY, MAIL, RCPT, DATA, BODY, RESET, QUITTING, HELD, DONE };

struct connection {
  int fd;
  enum state state;
  uint32_t events;
  uint64_t id;       /* the message in hand, 0 = none */
  uint64_t ready_ns; /* READY or CLOSED: not before this time */
  size_t sent;       /* bytes of header and body already written */
  size_t header_length, in_length;
  char header[512];
  char in[2048];
};

static struct ledger ledger;
static int poller, reconnect_each, hold, wait_arrival;
static struct sockaddr_in server;
static uint64_t connections = 50, total, size = 10240, first_id = 1, next_id, rate, gap_ms, grace = 30, retry_ms = 100;
static uint64_t max_tempfailed = 1000000;
static uint64_t started, deadline, last_accept, opening, held, finished;
static uint64_t accepted, rejected, tempfailed, unanswered, abandoned, reconnects, refused, dropped;
static struct bench_body body;
static char last_rejection[256];
static volatile sig_atomic_t stopping;

static void on_stop(int signal_number) { (void)signal_number; stopping = 1; }

static void watch(struct connection *connection, uint32_t events) {
  if (connection->events == events) return;
  struct epoll_event event = {.events = events, .data.ptr = connection};
  connection->events = events;
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
}

static void say(struct connection *connection, enum state next, const char *line) {
  connection->state = next;
  /* A command fits an empty socket buffer: anything else is a broken connection, which epoll reports. */
  (void)!write(connection->fd, line, strlen(line));
}

/* Closes; `wait_ms` before it may be opened again. The message in hand stays in hand. */
static void drop(struct connection *connection, uint64_t wait_ms) {
  if (connection->state < READY && connection->state != CLOSED) opening--;
  if (connection->state == HELD) held--, dropped++;
  if (connection->fd >= 0) close(connection->fd);
  connection->fd = -1;
  connection->state = CLOSED;
  connection->in_length = 0;
  connection->ready_ns = now_ns() + wait_ms * 1000000u;
}

static int may_begin(void) { return !stopping && (total == 0 || next_id < total) && now_ns() < deadline; }

static void finish(struct connection *connection) {
  if (connection->state == DONE) return;
  if (connection->state == READY) (void)!write(connection->fd, "QUIT\r\n", 6);
  if (connection->fd >= 0) close(connection->fd);
  connection->fd = -1;
  connection->state = DONE;
  finished++;
}

static void submit(struct connection *connection) {
  char line[96];
  struct record *record = ledger_record(&ledger, connection->id);
  if (record != NULL && record->sent_ns == 0) record->sent_ns = now_ns();
  snprintf(line, sizeof line, "MAIL FROM:<b%llu@bench.example>\r\n", (unsigned long long)connection->id);
  say(connection, MAIL, line);
}

static void settled(struct connection *connection, enum state next);

/* True once a message waited for by --wait-arrival has come, or has had ten seconds to do so. */
static int arrived(const struct record *record) {
  return __atomic_load_n(&record->arrived_ns, __ATOMIC_ACQUIRE) != 0 ||
         now_ns() - record->accepted_ns > 10 * 1000000000ull;
}

static void open_connection(struct connection *connection) {
  if (opening >= 256) return;
  connection->fd = connect_begin(&server);
  if (connection->fd < 0) {
    refused++;
    connection->ready_ns = now_ns() + retry_ms * 1000000u;
    return;
  }
  connection->state = CONNECTING;
  connection->events = EPOLLIN;
  opening++;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event);
}

/* For a connection that is READY or CLOSED: does what is due, if its time has come. */
static void advance(struct connection *connection) {
  uint64_t now = now_ns();
  const struct record *record = ledger_record(&ledger, connection->id);
  if (wait_arrival && record != NULL && record->accepted_ns != 0) {
    if (arrived(record)) settled(connection, READY);
    return;
  }
  if (connection->id != 0 && (stopping || now >= deadline)) abandoned++, connection->id = 0;
  if (hold ? stopping : connection->id == 0 && !may_begin()) {
    finish(connection);
    return;
  }
  if (now < connection->ready_ns) return;
  if (connection->id == 0 && !hold) {
    if (rate > 0 && now < started + next_id * 1000000000u / rate) return;
    connection->id = first_id + next_id++;
    if (ledger.header != NULL && connection->id > ledger.header->capacity) die("the ledger is too small");
  }
  if (connection->state == READY) submit(connection);
  else open_connection(connection);
}

static void send_message(struct connection *connection) {
  size_t in_header = connection->sent < connection->header_length ? connection->sent : connection->header_length;
  size_t in_body = connection->sent - in_header;
  struct iovec parts[2] = {{connection->header + in_header, connection->header_length - in_header},
                           {body.bytes + in_body, body.length - in_body}};
  ssize_t sent = writev(connection->fd, parts, 2);
  if (sent > 0) connection->sent += (size_t)sent;
  watch(connection, connection->sent < connection->header_length + body.length ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* The message in hand got its final answer; the connection goes on with the next. */
static void settled(struct connection *connection, enum state next) {
  connection->id = 0;
  connection->ready_ns = gap_ms > 0 ? now_ns() + gap_ms * 1000000u : 0;
  if (next == RESET) say(connection, RESET, "RSET\r\n");
  else if (reconnect_each) say(connection, QUITTING, "QUIT\r\n");
  else {
    connection->state = READY;
    advance(connection);
  }
}

static void on_reply(struct connection *connection, int code, const char *text) {
  int positive = code >= 200 && code < 300;
  enum state state = connection->state;
  if (state == QUITTING) {
    drop(connection, 0);
    advance(connection);
  } else if (code == 421) {
    if (state == GREETING || state == CONNECTING || state == HELLO) refused++;
    else reconnects++;
    drop(connection, state < READY ? retry_ms : 0);
    advance(connection);
  } else if (state == CONNECTING || state == GREETING) {
    if (positive) say(connection, HELLO, "EHLO source.bench.example\r\n");
    else refused++, drop(connection, retry_ms);
  } else if (state == HELLO) {
    opening--;
    connection->state = hold ? HELD : READY;
    if (hold) {
      if (++held == connections) printf("held %llu\n", (unsigned long long)held), fflush(stdout);
    } else advance(connection);
  } else if (state == RESET) {
    connection->state = READY;
    advance(connection);
  } else if (code >= 400 && code < 500) {
    tempfailed++;
    connection->ready_ns = now_ns() + retry_ms * 1000000u;
    say(connection, RESET, "RSET\r\n");
    if (tempfailed >= max_tempfailed) stopping = 1;
  } else if (code >= 500) {
    rejected++;
    snprintf(last_rejection, sizeof last_rejection, "%.*s", (int)strcspn(text, "\r\n"), text);
    settled(connection, RESET);
  } else if (state == MAIL) {
    say(connection, RCPT, "RCPT TO:<someone@dest.example>\r\n");
  } else if (state == RCPT) {
    say(connection, DATA, "DATA\r\n");
  } else if (state == DATA) {
    connection->state = BODY;
    connection->sent = 0;
    connection->header_length = write_header(connection->header, sizeof connection->header, connection->id);
    send_message(connection);
  } else if (state == BODY) {
    struct record *record = ledger_record(&ledger, connection->id);
    last_accept = now_ns();
    accepted++;
    if (record != NULL) {
      __atomic_store_n(&record->accepted_ns, last_accept, __ATOMIC_RELEASE);
      count(&ledger.header->accepted, 1);
      if (wait_arrival && __atomic_load_n(&record->arrived_ns, __ATOMIC_ACQUIRE) == 0) {
        connection->state = READY; /* advance() goes on when the message has arrived */
        return;
      }
    }
    settled(connection, READY);
  }
}

static void on_input(struct connection *connection) {
  if (connection->state == CONNECTING) connection->state = GREETING;
  ssize_t got = read(connection->fd, connection->in + connection->in_length,
                     sizeof connection->in - 1 - connection->in_length);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    enum state state = connection->state;
    if (state == BODY) {
      unanswered++;
      connection->id = 0;
    } else if (state == CONNECTING || state == GREETING) refused++;
    else if (state != QUITTING) reconnects++;
    drop(connection, state < READY ? retry_ms : 0);
    advance(connection);
    return;
  }
  connection->in_length += (size_t)got;
  connection->in[connection->in_length] = '\0';
  char *line = connection->in, *end;
  while ((end = strchr(line, '\n')) != NULL) {
    char *next = end + 1;
    if (end - line >= 3 && line[3] != '-') on_reply(connection, atoi(line), line);
    if (connection->fd < 0 || connection->state == CONNECTING) return; /* the buffer belongs to another connection */
    line = next;
  }
  connection->in_length -= (size_t)(line - connection->in);
  memmove(connection->in, line, connection->in_length);
  if (connection->in_length >= sizeof connection->in - 1) drop(connection, retry_ms);
}

static void report(void) {
  uint64_t *times = malloc((next_id + 1) * sizeof *times);
  size_t length = 0;
  if (times == NULL) die("out of memory");
  for (uint64_t id = first_id; id < first_id + next_id; id++) {
    const struct record *record = ledger_record(&ledger, id);
    if (record != NULL && record->accepted_ns != 0) times[length++] = record->accepted_ns - record->sent_ns;
  }
  qsort(times, length, sizeof *times, compare_u64);
  for (char *at = last_rejection; *at != '\0'; at++)
    if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ') *at = '\'';
  uint64_t in_hand = connections - finished;
  printf("{\"started\":%llu,\"accepted\":%llu,\"rejected\":%llu,\"tempfailed\":%llu,\"unanswered\":%llu,"
         "\"abandoned\":%llu,\"unfinished\":%llu,\"reconnects\":%llu,\"refused\":%llu,\"dropped\":%llu,"
         "\"seconds\":%.6f,\"accept_p50_ms\":%.3f,\"accept_p99_ms\":%.3f,\"last_rejection\":\"%s\"}\n",
         (unsigned long long)next_id, (unsigned long long)accepted, (unsigned long long)rejected,
         (unsigned long long)tempfailed, (unsigned long long)unanswered, (unsigned long long)abandoned,
         (unsigned long long)in_hand, (unsigned long long)reconnects, (unsigned long long)refused,
         (unsigned long long)dropped, last_accept > started ? (double)(last_accept - started) / 1e9 : 0.0,
         percentile_ms(times, length, 50), percentile_ms(times, length, 99), last_rejection);
  free(times);
}

static const char usage[] =
    "usage: source --port N [--host A] [--ledger FILE] [--connections 50] [--count N] [--seconds S] [--size BYTES]\n"
    "  [--rate MESSAGES_PER_SECOND] [--first-id 1] [--new-connection] [--gap-ms N] [--wait-arrival] [--retry-ms 100]\n"
    "  [--max-4xx N] [--grace SECONDS] [--hold]";

static uint64_t read_options(int argc, char **argv) {
  static const struct option options[] = {
      {"host", 1, 0, 'h'},     {"port", 1, 0, 'p'},     {"ledger", 1, 0, 'l'},   {"connections", 1, 0, 'c'},
      {"count", 1, 0, 'n'},    {"seconds", 1, 0, 's'},  {"size", 1, 0, 'b'},     {"rate", 1, 0, 'r'},
      {"first-id", 1, 0, 'f'}, {"gap-ms", 1, 0, 'g'},   {"retry-ms", 1, 0, 'y'}, {"max-4xx", 1, 0, 'm'},
      {"grace", 1, 0, 'e'},    {"new-connection", 0, 0, 'N'}, {"wait-arrival", 0, 0, 'W'}, {"hold", 0, 0, 'H'},
      {0, 0, 0, 0}};
  const char *host = "127.0.0.1", *path = NULL;
  uint64_t port = 0, seconds = 0;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'h') host = optarg;
    else if (option == 'p') port = number("--port", optarg);
    else if (option == 'l') path = optarg;
    else if (option == 'c') connections = number("--connections", optarg);
    else if (option == 'n') total = number("--count", optarg);
    else if (option == 's') seconds = number("--seconds", optarg);
    else if (option == 'b') size = number("--size", optarg);
    else if (option == 'r') rate = number("--rate", optarg);
    else if (option == 'f') first_id = number("--first-id", optarg);
    else if (option == 'g') gap_ms = number("--gap-ms", optarg);
    else if (option == 'y') retry_ms = number("--retry-ms", optarg);
    else if (option == 'm') max_tempfailed = number("--max-4xx", optarg);
    else if (option == 'e') grace = number("--grace", optarg);
    else if (option == 'N') reconnect_each = 1;
    else if (option == 'W') wait_arrival = 1;
    else if (option == 'H') hold = 1;
    else die("%s", usage);
  }
  if (port == 0 || (total == 0 && seconds == 0 && !hold)) die("%s", usage);
  server = address_of(host, port);
  ledger = ledger_open(path);
  return seconds;
}

int main(int argc, char **argv) {
  uint64_t seconds = read_options(argc, argv);
  struct sigaction action = {.sa_handler = on_stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  body = make_body(size);
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct connection *all = calloc(connections, sizeof *all);
  struct epoll_event ready[256];
  if (all == NULL) die("out of memory");
  started = now_ns();
  deadline = seconds > 0 ? started + seconds * 1000000000u : UINT64_MAX;
  for (uint64_t index = 0; index < connections; index++) all[index].fd = -1;
  uint64_t looked = 0, stop_seen = 0;
  while (finished < connections) {
    uint64_t now = now_ns();
    if (stop_seen == 0 && (stopping || now >= deadline)) stop_seen = now;
    if (stop_seen != 0 && now > stop_seen + grace * 1000000000u) break;
    if (hold && stopping) break;
    if (now - looked >= 500000u) {
      looked = now;
      for (uint64_t index = 0; index < connections; index++)
        if (all[index].state == READY || all[index].state == CLOSED) advance(&all[index]);
    }
    int found = epoll_wait(poller, ready, 256, rate > 0 || gap_ms > 0 || wait_arrival ? 1 : 10);
    for (int index = 0; index < found; index++) {
      struct connection *connection = ready[index].data.ptr;
      if (connection->fd < 0) continue;
      if ((ready[index].events & EPOLLOUT) && connection->state == BODY) send_message(connection);
      if (ready[index].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) on_input(connection);
    }
  }
  report();
  return 0;
}
