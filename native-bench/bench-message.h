/*
 * Purpose: what the load source sends: the message, and its credentials.
 * Contract: write_header() makes the header of one message id, make_body() the body that all messages share, with the
 *   line that ends the data; together they have the wanted size (the end of data not counted).
 * Limits: no line of the body begins with a dot; a size below that of the header gives an empty body line.
 */
#ifndef SLUICE_BENCH_MESSAGE_H
#define SLUICE_BENCH_MESSAGE_H

#include "bench.h"

struct bench_body {
  char *bytes;
  size_t length; /* with CRLF.CRLF */
};

static const char header_form[] = "Received: from source.bench.example by source.bench.example; %s\r\n"
                                  "From: Bench <bench@bench.example>\r\nTo: Someone <someone@dest.example>\r\n"
                                  "Subject: bench message %010llu\r\nDate: %s\r\nMIME-Version: 1.0\r\n"
                                  "Message-ID: <%010llu.source@bench.example>\r\nX-Bench-Id: %010llu\r\n\r\n";

/* Writes the header of message `id`; returns its length, which is the same for every id. */
static inline size_t write_header(char *into, size_t room, uint64_t id) {
  static char date[64];
  if (date[0] == '\0') {
    time_t wall = time(NULL);
    struct tm parts;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&wall, &parts));
  }
  unsigned long long shown = (unsigned long long)id;
  return (size_t)snprintf(into, room, header_form, date, shown, date, shown, shown);
}

/* Text lines of 78 characters from a fixed generator, none beginning with a dot, and the end of data. */
static inline struct bench_body make_body(uint64_t size) {
  char header[512];
  size_t header_length = write_header(header, sizeof header, 1);
  size_t text = size > header_length + 2 ? size - header_length : 2;
  char *body = malloc(text + 3);
  if (body == NULL) die("out of memory");
  uint64_t random = 88172645463325252u;
  for (size_t at = 0; at < text; at++) {
    size_t column = at % 80;
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    body[at] = column == 78 ? '\r' : column == 79 ? '\n' : "etaoinshrdlucmfwypvbgkjqxz ETAOIN"[random % 33];
    if (column == 0) body[at] = 'x';
  }
  if (text >= 3 && body[text - 3] == '\r') body[text - 3] = 'x';
  memcpy(body + text - 2, "\r\n.\r\n", 5);
  return (struct bench_body){body, text + 3};
}

/* The line `AUTH PLAIN <initial response>` (RFC 4616) of "user:password". */
static inline void auth_plain(char *into, size_t room, const char *pair) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *colon = strchr(pair, ':');
  size_t length = strlen(pair) + 1;
  unsigned char plain[256] = {0};
  if (colon == NULL || length > sizeof plain - 3) die("--auth wants USER:PASSWORD of at most 250 characters");
  memcpy(plain + 1, pair, length - 1); /* an empty authorization identity, NUL, user, NUL, password */
  plain[1 + (colon - pair)] = '\0';
  size_t at = (size_t)snprintf(into, room, "AUTH PLAIN ");
  for (size_t from = 0; from < length && at + 7 < room; from += 3) {
    uint32_t three = (uint32_t)plain[from] << 16 | (uint32_t)plain[from + 1] << 8 | plain[from + 2];
    into[at++] = digits[three >> 18];
    into[at++] = digits[three >> 12 & 63];
    into[at++] = from + 1 < length ? digits[three >> 6 & 63] : '=';
    into[at++] = from + 2 < length ? digits[three & 63] : '=';
  }
  memcpy(into + at, "\r\n", 3);
}

#endif
