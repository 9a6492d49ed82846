/*
 * Purpose: the load source of a benchmark: kept connections, or a new one per message, one message per transaction,
 *   every command sent only after the reply to the one before (no pipelining); in the clear or under TLS, with AUTH
 *   PLAIN where told so; or no messages at all but handshakes, each on a connection of its own (--handshakes).
 * Contract: each message carries its id in the sender, `b<id>@bench.example`, and in X-Bench-Id. The time of
 *   submission is the moment its first MAIL command is written; a message that is answered 4yz is tried again under
 *   the same id and keeps that first time. A 421 or a close between transactions (a server's limit of messages per
 *   connection) means a new connection and is no error. A connection that breaks after the final dot leaves the
 *   fate of its message unknown: it is counted as unanswered and not sent again.
 *   Ends after --count messages or --seconds, then waits up to --grace seconds for the replies still owed, and
 *   prints one line of JSON. With --hold it only opens and greets its connections, prints `held N`, and keeps them
 *   until SIGTERM. With --handshakes what counts as a message above is a TLS handshake, followed by QUIT.
 * Limits: one thread, IPv4, one recipient per message.
 */
#define _GNU_SOURCE
#include "bench.h"
#include "bench-message.h"
#include "bench-tls.h"
#include "source-figures.h"
#include "source-options.h"

#include <signal.h>
#include <sys/epoll.h>

enum state {
  CLOSED, CONNECTING, GREETING, HELLO, STARTTLS, HANDSHAKE, AUTH, /* being opened */
  READY, MAIL, RCPT, DATA, BODY, RESET, QUITTING, HELD, DONE
};

struct connection {
  struct channel channel;
  enum state state;
  uint32_t events;
  uint64_t id;       /* the message in hand, 0 = none */
  uint64_t ready_ns; /* READY or CLOSED: not before this time */
  uint64_t handshake_ns; /* when the handshake was begun */
  size_t sent;       /* bytes of header and body already written */
  size_t header_length, in_length;
  char header[512];
  char in[2048];
};

static int poller;
static uint64_t deadline, opening, held;
static struct bench_body body;
static volatile sig_atomic_t stopping;

static void on_stop(int signal_number) { (void)signal_number; stopping = 1; }

static void watch(struct connection *connection, uint32_t events) {
  if (connection->events == events) return;
  struct epoll_event event = {.events = events, .data.ptr = connection};
  connection->events = events;
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->channel.fd, &event);
}

static void say(struct connection *connection, enum state next, const char *line) {
  connection->state = next;
  /* A command fits an empty socket buffer: anything else is a broken connection, which epoll reports. */
  (void)channel_write(&connection->channel, line, strlen(line));
}

/* Closes; `wait_ms` before it may be opened again. The message in hand stays in hand. */
static void drop(struct connection *connection, uint64_t wait_ms) {
  if (connection->state < READY && connection->state != CLOSED) opening--;
  if (connection->state == HELD) held--, dropped++;
  channel_close(&connection->channel);
  connection->state = CLOSED;
  connection->in_length = 0;
  connection->ready_ns = now_ns() + wait_ms * 1000000u;
}

static int may_begin(void) { return !stopping && (total == 0 || next_id < total) && now_ns() < deadline; }

static void finish(struct connection *connection) {
  if (connection->state == DONE) return;
  if (connection->state == READY) (void)channel_write(&connection->channel, "QUIT\r\n", 6);
  channel_close(&connection->channel);
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

static void handshake(struct connection *connection);

static void begin_handshake(struct connection *connection) {
  connection->state = HANDSHAKE;
  connection->in_length = 0; /* what came in the clear behind the reply to STARTTLS counts for nothing */
  connection->handshake_ns = now_ns();
  tls_begin(&connection->channel, 0);
}

static void open_connection(struct connection *connection) {
  if (opening >= 256) return;
  connection->channel.fd = connect_begin(&server);
  if (connection->channel.fd < 0) {
    refused++;
    connection->ready_ns = now_ns() + retry_ms * 1000000u;
    return;
  }
  connection->state = CONNECTING;
  /* Only with implicit TLS is the first word the client's, when the connection stands. */
  connection->events = tls_mode == TLS_IMPLICIT ? EPOLLIN | EPOLLOUT : EPOLLIN;
  opening++;
  struct epoll_event event = {.events = connection->events, .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_ADD, connection->channel.fd, &event);
  if (tls_mode == TLS_IMPLICIT) begin_handshake(connection);
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
  ssize_t sent = channel_write_both(&connection->channel, connection->header + in_header,
                                    connection->header_length - in_header, body.bytes + in_body,
                                    body.length - in_body);
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

/* The connection is open, with everything that was to be done before the first message. */
static void opened(struct connection *connection) {
  opening--;
  if (hold) {
    connection->state = HELD;
    if (++held == connections) printf("held %llu\n", (unsigned long long)held), fflush(stdout);
  } else if (only_handshakes) {
    last_accept = now_ns();
    accepted++;
    settled(connection, READY);
  } else {
    connection->state = READY;
    advance(connection);
  }
}

/* EHLO was answered: STARTTLS, AUTH or the first message is next. */
static void greeted(struct connection *connection) {
  if (tls_mode == TLS_STARTTLS && connection->channel.ssl == NULL) say(connection, STARTTLS, "STARTTLS\r\n");
  else if (auth_line[0] != '\0') say(connection, AUTH, auth_line);
  else opened(connection);
}

/* Goes on with a handshake; after it comes the greeting (implicit TLS) or EHLO again (RFC 3207 section 4.2). */
static void handshake(struct connection *connection) {
  enum handshake result = tls_handshake(&connection->channel);
  if (result == HANDSHAKE_READS) watch(connection, EPOLLIN);
  else if (result == HANDSHAKE_WRITES) watch(connection, EPOLLIN | EPOLLOUT);
  else if (result == HANDSHAKE_FAILED) {
    handshakes_failed++;
    drop(connection, retry_ms);
    advance(connection);
  } else {
    watch(connection, EPOLLIN);
    note_handshake(&connection->channel, now_ns() - connection->handshake_ns);
    if (tls_mode == TLS_IMPLICIT) connection->state = GREETING;
    else if (only_handshakes) opened(connection);
    else say(connection, HELLO, "EHLO source.bench.example\r\n");
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
    if (!positive) refused++, drop(connection, retry_ms);
    else if (only_handshakes && connection->channel.ssl != NULL) opened(connection);
    else say(connection, HELLO, "EHLO source.bench.example\r\n");
  } else if (state < READY && !positive) {
    snprintf(last_rejection, sizeof last_rejection, "%.*s", (int)strcspn(text, "\r\n"), text);
    refused++;
    drop(connection, retry_ms);
  } else if (state == HELLO) {
    greeted(connection);
  } else if (state == STARTTLS) {
    begin_handshake(connection);
    handshake(connection);
  } else if (state == AUTH) {
    opened(connection);
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
  ssize_t got = channel_read(&connection->channel, connection->in + connection->in_length,
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
  const SSL *ssl = connection->channel.ssl;
  char *line = connection->in, *end;
  while ((end = strchr(line, '\n')) != NULL) {
    char *next = end + 1;
    if (end - line >= 3 && line[3] != '-') on_reply(connection, atoi(line), line);
    /* The buffer belongs to another connection, or to the time before TLS. */
    if (connection->channel.fd < 0 || connection->state == CONNECTING || connection->state == HANDSHAKE) return;
    if (connection->channel.ssl != ssl) return;
    line = next;
  }
  connection->in_length -= (size_t)(line - connection->in);
  memmove(connection->in, line, connection->in_length);
  if (connection->in_length >= sizeof connection->in - 1) drop(connection, retry_ms);
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
  for (uint64_t index = 0; index < connections; index++) all[index].channel.fd = -1;
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
      if (connection->channel.fd < 0) continue;
      if (connection->state == HANDSHAKE) {
        handshake(connection);
        if (!channel_pending(&connection->channel)) continue;
      }
      if ((ready[index].events & EPOLLOUT) && connection->state == BODY) send_message(connection);
      if (ready[index].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) on_input(connection);
    }
  }
  report(connections - finished);
  return 0;
}
