/*
 * Purpose: the message that the load source sends.
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

#endif
