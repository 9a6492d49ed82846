/*
 * Purpose: what the load source counts, and the line of JSON that it prints at its end.
 * Contract: percentiles of acceptance are read from the ledger, those of handshakes from a list kept here, from the
 *   begin of a handshake (with implicit TLS: of the connection) to its end. CPU time is that of this process from its
 *   start, user and system.
 * Limits: the first HANDSHAKES_NOTED handshakes are in the percentiles, all in the counts.
 */
#ifndef SLUICE_SOURCE_FIGURES_H
#define SLUICE_SOURCE_FIGURES_H

#include "bench-tls.h"

#define HANDSHAKES_NOTED 1000000

static struct ledger ledger;
static uint64_t first_id = 1, next_id, started, last_accept, finished;
static uint64_t accepted, rejected, tempfailed, unanswered, abandoned, reconnects, refused, dropped;
static uint64_t handshakes, handshakes_failed, resumed;
static uint64_t *handshake_times;
static char last_rejection[256], tls_used[64];

static void note_handshake(const struct channel *channel, uint64_t took) {
  if (handshake_times == NULL) {
    handshake_times = malloc(HANDSHAKES_NOTED * sizeof *handshake_times);
    if (handshake_times == NULL) die("out of memory");
    snprintf(tls_used, sizeof tls_used, "%s %s", tls_version_of(channel), tls_cipher_of(channel));
  }
  if (handshakes < HANDSHAKES_NOTED) handshake_times[handshakes] = took;
  handshakes++;
  if (tls_was_resumed(channel)) resumed++;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Makes a text fit between the quotes of JSON. */
static char *quotable(char *text) {
  for (char *at = text; *at != '\0'; at++)
    if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ') *at = '\'';
  return text;
}

/* `in_hand`: connections that had something to do when the grace was over. */
static void report(uint64_t in_hand) {
  uint64_t *times = malloc((next_id + 1) * sizeof *times);
  size_t length = 0, noted = handshakes < HANDSHAKES_NOTED ? handshakes : HANDSHAKES_NOTED;
  char problem[160];
  if (times == NULL) die("out of memory");
  for (uint64_t id = first_id; id < first_id + next_id; id++) {
    const struct record *record = ledger_record(&ledger, id);
    if (record != NULL && record->accepted_ns != 0) times[length++] = record->accepted_ns - record->sent_ns;
  }
  qsort(times, length, sizeof *times, compare_u64);
  if (noted > 0) qsort(handshake_times, noted, sizeof *handshake_times, compare_u64);
  snprintf(problem, sizeof problem, "%s", handshakes_failed > 0 ? tls_problem : "");
  printf("{\"started\":%llu,\"accepted\":%llu,\"rejected\":%llu,\"tempfailed\":%llu,\"unanswered\":%llu,"
         "\"abandoned\":%llu,\"unfinished\":%llu,\"reconnects\":%llu,\"refused\":%llu,\"dropped\":%llu,"
         "\"seconds\":%.6f,\"accept_p50_ms\":%.3f,\"accept_p99_ms\":%.3f,\"cpu_seconds\":%.6f,",
         (unsigned long long)next_id, (unsigned long long)accepted, (unsigned long long)rejected,
         (unsigned long long)tempfailed, (unsigned long long)unanswered, (unsigned long long)abandoned,
         (unsigned long long)in_hand, (unsigned long long)reconnects, (unsigned long long)refused,
         (unsigned long long)dropped, last_accept > started ? (double)(last_accept - started) / 1e9 : 0.0,
         percentile_ms(times, length, 50), percentile_ms(times, length, 99), cpu_seconds());
  printf("\"handshakes\":%llu,\"handshakes_failed\":%llu,\"resumed\":%llu,\"handshake_p50_ms\":%.3f,"
         "\"handshake_p99_ms\":%.3f,\"tls\":\"%s\",\"tls_problem\":\"%s\",\"last_rejection\":\"%s\"}\n",
         (unsigned long long)handshakes, (unsigned long long)handshakes_failed, (unsigned long long)resumed,
         percentile_ms(handshake_times, noted, 50), percentile_ms(handshake_times, noted, 99), tls_used,
         quotable(problem), quotable(last_rejection));
  free(times);
}

#endif
