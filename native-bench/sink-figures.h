/*
 * Purpose: what the sink counts, and the line of JSON that it prints at its end.
 * Contract: note_message() enters a message into the ledger and the counters; `found` is the text of --find.
 * Limits: none.
 */
#ifndef SLUICE_SINK_FIGURES_H
#define SLUICE_SINK_FIGURES_H

#include "bench.h"

static struct ledger ledger;
static uint64_t messages, connections_seen, bytes_total, foreign, delivered, duplicates, tempfailed, rejected_empty;
static uint64_t handshakes, handshakes_failed, found_count;
static uint64_t first_arrival, last_arrival;

/* Notes the message whose last byte was read at `now`. `id` 0 or out of range: it is not of the bench. */
static void note_message(uint64_t id, uint64_t now) {
  struct record *record = ledger_record(&ledger, id);
  messages++;
  if (first_arrival == 0) first_arrival = now;
  last_arrival = now;
  if (record == NULL) {
    foreign++;
    if (ledger.header != NULL) count(&ledger.header->foreign, 1);
  } else if (__atomic_fetch_add(&record->deliveries, 1, __ATOMIC_RELAXED) == 0) {
    __atomic_store_n(&record->arrived_ns, now, __ATOMIC_RELEASE);
    delivered++;
    count(&ledger.header->delivered, 1);
  } else {
    duplicates++;
    count(&ledger.header->duplicates, 1);
  }
}

static void report(void) {
  uint64_t capacity = ledger.header != NULL ? ledger.header->capacity : 0;
  uint64_t *times = malloc((delivered + 1) * sizeof *times);
  size_t length = 0;
  if (times == NULL) die("out of memory");
  for (uint64_t id = 1; id <= capacity && length < delivered; id++) {
    const struct record *record = ledger_record(&ledger, id);
    if (record->arrived_ns > 0 && record->sent_ns > 0) times[length++] = record->arrived_ns - record->sent_ns;
  }
  qsort(times, length, sizeof *times, compare_u64);
  printf("{\"messages\":%llu,\"delivered\":%llu,\"duplicates\":%llu,\"foreign\":%llu,\"tempfailed\":%llu,"
         "\"connections\":%llu,\"handshakes\":%llu,\"handshakes_failed\":%llu,"
         "\"bytes\":%llu,\"found\":%llu,\"seconds\":%.6f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
         (unsigned long long)messages, (unsigned long long)delivered, (unsigned long long)duplicates,
         (unsigned long long)foreign, (unsigned long long)tempfailed, (unsigned long long)connections_seen,
         (unsigned long long)handshakes, (unsigned long long)handshakes_failed,
         (unsigned long long)bytes_total, (unsigned long long)found_count, (double)(last_arrival - first_arrival) / 1e9,
         percentile_ms(times, length, 50), percentile_ms(times, length, 99));
  fflush(stdout);
  free(times);
}

#endif
