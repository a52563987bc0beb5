// The C guest on raw bindings: a filter that forwards by index, or a keyed count, as its configuration says; the same
// as the guests in the other four languages.
//
// Who owns what: a call's argument is the guest's, to free or to hand on; what an answer points to is freed by the
// bindings after the host has read it, so it comes from malloc; what a host call is given stays the guest's.
#include <stdlib.h>
#include <string.h>

#include "processor_plugin.h"

typedef exports_potok_plugin_processor_outcome_t outcome_t;
typedef exports_potok_plugin_processor_failure_t failure_t;
typedef exports_potok_plugin_processor_batch_t batch_t;
typedef potok_plugin_records_column_t column_t;

// A key's first record sets a timer this much later, in milliseconds.
static const int64_t FIRST_SEEN_TIMER_MS = 60000;

static const char SCHEMA[] =
    "{\"type\":\"object\",\"properties\":{\"mode\":{\"enum\":[\"filter\",\"count\"]}},\"required\":[\"mode\"]}";

static enum { CLOSED, FILTER, COUNT } mode = CLOSED;
static potok_plugin_state_own_store_t counts;

// --- bytes -----------------------------------------------------------------------------------------------------

typedef struct {
  uint8_t *ptr;
  size_t len, room;
} bytes_t;

// Out of memory ends the instance: the host finds the record at fault.
static uint8_t *grow(bytes_t *bytes, size_t more) {
  if (bytes->len + more > bytes->room) {
    bytes->room = (bytes->len + more) * 2;
    bytes->ptr = realloc(bytes->ptr, bytes->room);
    if (bytes->ptr == NULL) __builtin_trap();
  }
  uint8_t *at = bytes->ptr + bytes->len;
  bytes->len += more;
  return at;
}

static void append(bytes_t *bytes, const void *from, size_t len) {
  if (len > 0) memcpy(grow(bytes, len), from, len);
}

// Items of a column to be.
typedef struct {
  bytes_t data, ends;
} items_t;

static void push(items_t *items, const void *item, size_t len) {
  append(&items->data, item, len);
  uint32_t end = (uint32_t)items->data.len;
  append(&items->ends, &end, sizeof end);
}

static column_t column(const items_t *items) {
  column_t column = {{items->data.ptr, items->data.len}, {items->ends.ptr, items->ends.len}, {NULL, 0}};
  return column;
}

// WebAssembly is little-endian, as packed numbers are; they need not be aligned.
static uint32_t end_of(const column_t *column, size_t index) {
  uint32_t end;
  memcpy(&end, column->ends.ptr + 4 * index, sizeof end);
  return end;
}

static bool is_null(const column_t *column, size_t index) {
  return index / 8 < column->nulls.len && (column->nulls.ptr[index / 8] >> (index % 8) & 1);
}

// --- answers ---------------------------------------------------------------------------------------------------

static void refuse(outcome_t *out, size_t records, uint32_t index, const char *reason) {
  if (out->refused.ptr == NULL) {
    out->refused.ptr = malloc(records * sizeof *out->refused.ptr);
    if (out->refused.ptr == NULL) __builtin_trap();
  }
  potok_plugin_records_refused_t *refused = &out->refused.ptr[out->refused.len++];
  refused->index = index;
  processor_plugin_string_dup(&refused->reason, reason);
}

static potok_plugin_records_body_t *emit(outcome_t *out, uint32_t output, uint8_t tag) {
  out->emitted.ptr = calloc(1, sizeof *out->emitted.ptr);
  if (out->emitted.ptr == NULL) __builtin_trap();
  out->emitted.len = 1;
  out->emitted.ptr[0].output = output;
  out->emitted.ptr[0].body.tag = tag;
  return &out->emitted.ptr[0].body;
}

static void emit_fresh(outcome_t *out, const bytes_t *timestamps, const items_t *keys, const items_t *values) {
  potok_plugin_records_fresh_records_t *fresh = &emit(out, 1, POTOK_PLUGIN_RECORDS_BODY_FRESH)->val.fresh;
  fresh->timestamps.ptr = timestamps->ptr;
  fresh->timestamps.len = timestamps->len;
  fresh->keys = column(keys);
  fresh->values = column(values);
}

static bool broken(failure_t *err, const char *reason) {
  err->tag = POTOK_PLUGIN_RECORDS_FAILURE_BROKEN;
  processor_plugin_string_dup(&err->val.broken, reason);
  return false;
}

// --- the filter ------------------------------------------------------------------------------------------------

static void filter(const batch_t *in, outcome_t *out) {
  size_t n = in->offsets.len / 8, kept = 0;
  uint32_t *indices = malloc(n * sizeof *indices), start = 0;
  if (indices == NULL) __builtin_trap();
  for (size_t i = 0; i < n; i++) {
    uint32_t end = end_of(&in->values, i);
    if (is_null(&in->values, i)) refuse(out, n, (uint32_t)i, "no value");
    else if ((end - start) % 2 == 0) indices[kept++] = (uint32_t)i;
    start = end;
  }
  out->covered = (uint32_t)n;
  if (kept == 0) {
    free(indices);
    return;
  }
  potok_plugin_records_packed_u32_t *forward = &emit(out, 0, POTOK_PLUGIN_RECORDS_BODY_FORWARD)->val.forward;
  forward->ptr = (uint8_t *)indices;
  forward->len = kept * sizeof *indices;
}

// --- the keyed count -------------------------------------------------------------------------------------------

// What one batch says of one key.
typedef struct {
  const uint8_t *key;
  size_t len;
  uint64_t records;
  size_t first, last;  // indices of records
} tally_t;

typedef struct {
  tally_t *all;
  size_t len;
  uint32_t *slots;  // open addressing: a tally's place + 1, 0 where free
  size_t mask;
} tallies_t;

static uint32_t hash(const uint8_t *key, size_t len) {  // FNV-1a
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ key[i]) * 16777619u;
  return hash;
}

static tally_t *find(tallies_t *tallies, const uint8_t *key, size_t len, size_t record) {
  for (size_t slot = hash(key, len) & tallies->mask;; slot = (slot + 1) & tallies->mask) {
    if (tallies->slots[slot] == 0) {
      tally_t *tally = &tallies->all[tallies->len++];
      tallies->slots[slot] = (uint32_t)tallies->len;
      *tally = (tally_t){key, len, 0, record, record};
      return tally;
    }
    tally_t *tally = &tallies->all[tallies->slots[slot] - 1];
    if (tally->len == len && memcmp(tally->key, key, len) == 0) return tally;
  }
}

// Each key of the batch, in the order of its first record; a record without one is refused.
static tallies_t tally(const batch_t *in, outcome_t *out) {
  size_t n = in->offsets.len / 8, slots = 4;
  while (slots < 2 * n) slots *= 2;
  tallies_t tallies = {malloc(n * sizeof(tally_t)), 0, calloc(slots, sizeof(uint32_t)), slots - 1};
  if (tallies.all == NULL || tallies.slots == NULL) __builtin_trap();
  uint32_t start = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t end = end_of(&in->keys, i);
    if (is_null(&in->keys, i)) {
      refuse(out, n, (uint32_t)i, "no key");
    } else {
      tally_t *tally = find(&tallies, in->keys.data.ptr + start, end - start, i);
      tally->records++;
      tally->last = i;
    }
    start = end;
  }
  return tallies;
}

static void set_first_seen_timer(const batch_t *in, const tally_t *tally) {
  int64_t first;
  memcpy(&first, in->timestamps.ptr + 8 * tally->first, sizeof first);
  potok_plugin_timers_timer_t timer = {
      .clock = POTOK_PLUGIN_TIMERS_CLOCK_EVENT,
      .at = first + FIRST_SEEN_TIMER_MS,
      .key = {(uint8_t *)tally->key, tally->len},
      .payload = {(uint8_t *)"first", 5},
  };
  potok_plugin_timers_set(&timer);
}

static bool add_to_state(const batch_t *in, const tallies_t *tallies, outcome_t *out, failure_t *err) {
  potok_plugin_state_borrow_store_t store = potok_plugin_state_borrow_store(counts);
  items_t keys = {0}, values = {0};
  bytes_t timestamps = {0};
  for (size_t i = 0; i < tallies->len; i++) push(&keys, tallies->all[i].key, tallies->all[i].len);
  column_t key_column = column(&keys), before;
  potok_plugin_state_error_t error;
  if (!potok_plugin_state_method_store_get_many(store, &key_column, &before, &error)) return broken(err, "get-many failed");
  for (size_t i = 0; i < tallies->len; i++) {
    const tally_t *tally = &tallies->all[i];
    uint64_t count = 0;
    if (is_null(&before, i)) set_first_seen_timer(in, tally);
    else memcpy(&count, before.data.ptr + end_of(&before, i) - sizeof count, sizeof count);
    count += tally->records;
    push(&values, &count, sizeof count);
    append(&timestamps, in->timestamps.ptr + 8 * tally->last, 8);
  }
  potok_plugin_records_column_free(&before);
  column_t value_column = column(&values);
  if (!potok_plugin_state_method_store_put_many(store, &key_column, &value_column, &error)) return broken(err, "put-many failed");
  emit_fresh(out, &timestamps, &keys, &values);
  return true;
}

static bool count(const batch_t *in, outcome_t *out, failure_t *err) {
  tallies_t tallies = tally(in, out);
  out->covered = (uint32_t)(in->offsets.len / 8);
  bool ok = tallies.len == 0 || add_to_state(in, &tallies, out, err);
  free(tallies.all);
  free(tallies.slots);
  return ok;
}

// --- what the world asks for -----------------------------------------------------------------------------------

static void set_port(potok_plugin_about_port_t *port, const char *name, const char *summary) {
  processor_plugin_string_dup(&port->name, name);
  processor_plugin_string_dup(&port->summary, summary);
}

void exports_potok_plugin_processor_describe(exports_potok_plugin_processor_description_t *ret) {
  memset(ret, 0, sizeof *ret);
  processor_plugin_string_dup(&ret->name, "five-c");
  processor_plugin_string_dup(&ret->version, "0.1.0");
  processor_plugin_string_dup(&ret->summary, "Filters by index, or counts by key, on raw bindings");
  processor_plugin_string_dup(&ret->config_schema, SCHEMA);
  ret->inputs.ptr = calloc(ret->inputs.len = 1, sizeof *ret->inputs.ptr);
  ret->outputs.ptr = calloc(ret->outputs.len = 2, sizeof *ret->outputs.ptr);
  ret->stores.ptr = calloc(ret->stores.len = 1, sizeof *ret->stores.ptr);
  set_port(&ret->inputs.ptr[0], "in", "Any records");
  set_port(&ret->outputs.ptr[0], "kept", "Records with a value of even length");
  set_port(&ret->outputs.ptr[1], "counts", "Records of each key so far");
  processor_plugin_string_dup(&ret->stores.ptr[0].name, "counts");
  ret->state_version = 1;
}

static bool has(const processor_plugin_string_t *text, const char *word) {
  return memmem(text->ptr, text->len, word, strlen(word)) != NULL;
}

bool exports_potok_plugin_processor_open(exports_potok_plugin_processor_task_t *task, processor_plugin_string_t *err) {
  mode = has(&task->config, "\"filter\"") ? FILTER : has(&task->config, "\"count\"") ? COUNT : CLOSED;
  exports_potok_plugin_processor_task_free(task);
  if (mode == CLOSED) {
    processor_plugin_string_dup(err, "`mode` is neither `filter` nor `count`");
    return false;
  }
  processor_plugin_string_t name, message;
  processor_plugin_string_set(&name, "counts");
  potok_plugin_state_error_t error;
  if (mode == COUNT && !potok_plugin_state_static_store_open(&name, &counts, &error)) {
    processor_plugin_string_dup(err, "no store counts");
    return false;
  }
  processor_plugin_string_set(&message, "c guest is open");
  potok_plugin_logging_log(POTOK_PLUGIN_LOGGING_LEVEL_INFO, &message);
  return true;
}

bool exports_potok_plugin_processor_process(batch_t *records, outcome_t *ret, failure_t *err) {
  memset(ret, 0, sizeof *ret);
  bool ok = true;
  if (mode == FILTER) filter(records, ret);
  else if (mode == COUNT) ok = count(records, ret, err);
  else ok = broken(err, "process before open");
  exports_potok_plugin_processor_batch_free(records);
  return ok;
}

bool exports_potok_plugin_processor_on_timers(exports_potok_plugin_processor_list_timer_t *due, outcome_t *ret, failure_t *err) {
  (void)err;
  memset(ret, 0, sizeof *ret);
  items_t keys = {0}, values = {0};
  bytes_t timestamps = {0};
  for (size_t i = 0; i < due->len; i++) {
    const exports_potok_plugin_processor_timer_t *timer = &due->ptr[i];
    append(&timestamps, &timer->at, sizeof timer->at);
    push(&keys, timer->key.ptr, timer->key.len);
    push(&values, timer->payload.ptr, timer->payload.len);
  }
  ret->covered = (uint32_t)due->len;
  if (due->len > 0) emit_fresh(ret, &timestamps, &keys, &values);
  exports_potok_plugin_processor_list_timer_free(due);
  return true;
}

void exports_potok_plugin_processor_close(void) {
  if (mode == COUNT) potok_plugin_state_store_drop_own(counts);
  mode = CLOSED;
}
