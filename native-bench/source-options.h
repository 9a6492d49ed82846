/*
 * Purpose: the settings of the load source and how they are read from its command line.
 * Contract: read_options() ends the program with the usage on anything that it does not understand, and makes the
 *   process a TLS client where TLS is asked for.
 * Limits: none.
 */
#ifndef SLUICE_SOURCE_OPTIONS_H
#define SLUICE_SOURCE_OPTIONS_H

#include "bench-message.h"
#include "bench-tls.h"
#include "source-figures.h"

#include <getopt.h>

enum tls_mode { TLS_NONE, TLS_STARTTLS, TLS_IMPLICIT };

static int reconnect_each, hold, wait_arrival, only_handshakes;
static enum tls_mode tls_mode;
static struct sockaddr_in server;
static uint64_t connections = 50, total, size = 10240, rate, gap_ms, grace = 30, retry_ms = 100;
static uint64_t max_tempfailed = 1000000;
static char auth_line[512]; /* empty: no AUTH */

static const char usage[] =
    "usage: source --port N [--host A] [--ledger FILE] [--connections 50] [--count N] [--seconds S] [--size BYTES]\n"
    "  [--rate MESSAGES_PER_SECOND] [--first-id 1] [--new-connection] [--gap-ms N] [--wait-arrival] [--retry-ms 100]\n"
    "  [--max-4xx N] [--grace SECONDS] [--hold] [--tls starttls|implicit] [--tls-version 1.3|1.2] [--resume]\n"
    "  [--auth USER:PASSWORD] [--handshakes]";

/* Returns --seconds, 0 where there is none. */
static uint64_t read_options(int argc, char **argv) {
  static const struct option options[] = {
      {"host", 1, 0, 'h'},     {"port", 1, 0, 'p'},     {"ledger", 1, 0, 'l'},   {"connections", 1, 0, 'c'},
      {"count", 1, 0, 'n'},    {"seconds", 1, 0, 's'},  {"size", 1, 0, 'b'},     {"rate", 1, 0, 'r'},
      {"first-id", 1, 0, 'f'}, {"gap-ms", 1, 0, 'g'},   {"retry-ms", 1, 0, 'y'}, {"max-4xx", 1, 0, 'm'},
      {"grace", 1, 0, 'e'},    {"new-connection", 0, 0, 'N'}, {"wait-arrival", 0, 0, 'W'}, {"hold", 0, 0, 'H'},
      {"tls", 1, 0, 't'},      {"tls-version", 1, 0, 'v'}, {"resume", 0, 0, 'R'},   {"auth", 1, 0, 'a'},
      {"handshakes", 0, 0, 'S'}, {0, 0, 0, 0}};
  const char *host = "127.0.0.1", *path = NULL, *version = "1.3";
  int resume = 0;
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
    else if (option == 't' && strcmp(optarg, "starttls") == 0) tls_mode = TLS_STARTTLS;
    else if (option == 't' && strcmp(optarg, "implicit") == 0) tls_mode = TLS_IMPLICIT;
    else if (option == 'v') version = optarg;
    else if (option == 'R') resume = 1;
    else if (option == 'a') auth_plain(auth_line, sizeof auth_line, optarg);
    else if (option == 'S') only_handshakes = reconnect_each = 1;
    else die("%s", usage);
  }
  if (port == 0 || (total == 0 && seconds == 0 && !hold) || (only_handshakes && tls_mode == TLS_NONE)) die("%s", usage);
  if (tls_mode != TLS_NONE) tls_client(resume, version);
  server = address_of(host, port);
  ledger = ledger_open(path);
  return seconds;
}

#endif
