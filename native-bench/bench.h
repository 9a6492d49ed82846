/*
 * Purpose: what the load source, the sink and the null relay share: the ledger in shared memory, a monotonic
 *   clock, and small socket helpers.
 * Contract: the ledger is one file (normally in /dev/shm), made by the driver, mapped by source and sink. It holds
 *   a header page and one record per message id; ids run from 1 to capacity. Counters in the header are added
 *   to atomically, because several sources may run at once; a record has one source, and one sink.
 *   native-bench/ledger.ts reads the same layout: change both together.
 * Limits: Linux, little-endian, 64 bit.
 */
#ifndef SLUICE_BENCH_H
#define SLUICE_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LEDGER_HEADER_BYTES 4096

/* One message. Times are CLOCK_MONOTONIC nanoseconds, 0 where it has not happened. */
struct record {
  uint64_t sent_ns;     /* the first MAIL command for this id was written: the time of submission */
  uint64_t accepted_ns; /* the 2yz reply to the final dot was read */
  uint64_t arrived_ns;  /* the sink had read the whole message for the first time */
  uint32_t deliveries;  /* how often the sink took it; more than 1 is a duplicate */
  uint32_t unused;
};

/* The first page of the ledger. */
struct ledger_header {
  uint64_t capacity;   /* number of records behind this page */
  uint64_t accepted;   /* source: messages answered 2yz */
  uint64_t delivered;  /* sink: ids seen for the first time */
  uint64_t duplicates; /* sink: deliveries beyond the first of an id */
  uint64_t tempfailed; /* sink: recipients answered 451 on purpose */
  uint64_t foreign;    /* sink: messages whose sender carries no id (bounces and the like) */
  uint64_t bytes;      /* sink: bytes read, commands included */
};

struct ledger {
  struct ledger_header *header;
  struct record *records; /* records[id - 1] */
};

static inline void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static inline void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(2);
}

static inline uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* A whole number from the command line; ends the program on anything else. */
static inline uint64_t number(const char *name, const char *text) {
  char *end = NULL;
  errno = 0;
  uint64_t value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || *text == '-') die("%s wants a whole number, not '%s'", name, text);
  return value;
}

/* Maps the ledger, or returns an empty one (header NULL) where no path was given. */
static inline struct ledger ledger_open(const char *path) {
  struct ledger ledger = {NULL, NULL};
  if (path == NULL) return ledger;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) die("ledger %s: %s", path, strerror(errno));
  if (status.st_size < LEDGER_HEADER_BYTES) die("ledger %s is too short", path);
  char *map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) die("ledger %s: %s", path, strerror(errno));
  close(fd);
  ledger.header = (struct ledger_header *)map;
  ledger.records = (struct record *)(map + LEDGER_HEADER_BYTES);
  uint64_t room = ((uint64_t)status.st_size - LEDGER_HEADER_BYTES) / sizeof(struct record);
  if (ledger.header->capacity > room) die("ledger %s: capacity is larger than the file", path);
  return ledger;
}

/* The record of an id, or NULL where it is out of range or there is no ledger. */
static inline struct record *ledger_record(const struct ledger *ledger, uint64_t id) {
  if (ledger->header == NULL || id == 0 || id > ledger->header->capacity) return NULL;
  return &ledger->records[id - 1];
}

static inline void count(uint64_t *counter, uint64_t by) { __atomic_fetch_add(counter, by, __ATOMIC_RELAXED); }

static inline int compare_u64(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

/* The nearest-rank percentile of sorted nanoseconds, in milliseconds; 0 where there are none. */
static inline double percentile_ms(const uint64_t *sorted, size_t length, double percent) {
  if (length == 0) return 0;
  size_t rank = (size_t)(percent / 100.0 * (double)length + 0.999999);
  if (rank < 1) rank = 1;
  if (rank > length) rank = length;
  return (double)sorted[rank - 1] / 1e6;
}

/* Lets this process open as many sockets as the hard limit allows. */
static inline void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

static inline struct sockaddr_in address_of(const char *host, uint64_t port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  if (port > 65535 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
    die("'%s' port %llu is no IPv4 address and port", host, (unsigned long long)port);
  return address;
}

/* Begins a connection without waiting for it; the socket is non-blocking, with Nagle's delay off. */
static inline int connect_begin(const struct sockaddr_in *address) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno != EINPROGRESS) {
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
  }
  return fd;
}

/* Listens on host:port (0 picks one) and says so on standard output as `port N`, which is what drivers wait for. */
static inline int listen_and_tell(const char *host, uint64_t port) {
  struct sockaddr_in address = address_of(host, port);
  socklen_t length = sizeof address;
  int one = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0)
    die("listen on %s:%llu: %s", host, (unsigned long long)port, strerror(errno));
  getsockname(fd, (struct sockaddr *)&address, &length);
  printf("port %u\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

/* Accepts one waiting connection, non-blocking and with Nagle's delay off; -1 where none is waiting. */
static inline int accept_one(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -1;
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

#endif
