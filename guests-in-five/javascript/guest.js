// The JavaScript guest on raw bindings: a filter that forwards by index, or a keyed count, as its configuration says;
// the same as the guests in the other four languages. Columns are read with DataView: a number at a time would cost
// an object each. There is no TextEncoder in QuickJS: ASCII goes through `bytes`, other text through `potok:plugin/text`.
import { Store } from "potok:plugin/state@0.1.0";
import { set as setTimer } from "potok:plugin/timers@0.1.0";
import { log } from "potok:plugin/logging@0.1.0";

// A key's first record sets a timer this much later, in milliseconds.
const FIRST_SEEN_TIMER_MS = 60000;
const TWO_TO_THE_32 = 4294967296;
const EMPTY = new Uint8Array(0);
const SCHEMA = '{"type":"object","properties":{"mode":{"enum":["filter","count"]}},"required":["mode"]}';

let mode = null;
let store = null;

const bytes = (ascii) => Uint8Array.from(ascii, (letter) => letter.charCodeAt(0));
const FIRST = bytes("first");

const view = (array) => new DataView(array.buffer, array.byteOffset, array.byteLength);
const isNull = (nulls, index) => nulls.length > 0 && ((nulls[index >> 3] >> (index & 7)) & 1) === 1;

function describe() {
  return {
    name: "five-javascript",
    version: "0.1.0",
    summary: "Filters by index, or counts by key, on raw bindings",
    configSchema: SCHEMA,
    inputs: [{ name: "in", summary: "Any records" }],
    outputs: [
      { name: "kept", summary: "Records with a value of even length" },
      { name: "counts", summary: "Records of each key so far" },
    ],
    stores: [{ name: "counts", ttlMs: null }],
    stateVersion: 1,
    wants: [],
  };
}

function open(task) {
  const asked = JSON.parse(task.config).mode;
  if (asked !== "filter" && asked !== "count") throw "`mode` is neither `filter` nor `count`";
  if (asked === "count") store = Store.open("counts");
  mode = asked;
  log("info", "javascript guest is open");
}

// What is thrown here without a tag is lost in a trap: `failure` carries it.
function process(records) {
  try {
    if (mode === "filter") return filter(records);
    if (mode === "count") return count(records);
  } catch (error) {
    throw { tag: "broken", val: String(error) };
  }
  throw { tag: "broken", val: "process before open" };
}

function onTimers(due) {
  const fresh = new Fresh(due.length);
  for (const { at, key, payload } of due) {
    fresh.timestamps.setBigInt64(8 * fresh.keys.length, BigInt(at), true);
    fresh.keys.push(key);
    fresh.values.push(payload);
  }
  return outcome(due.length, fresh.emission(), []);
}

function close() {
  mode = null;
  store = null;
}

function outcome(covered, emitted, refused) {
  return { covered, emitted, refused, wait: null };
}

function filter(records) {
  const n = records.offsets.length / 8;
  const { ends: packed, nulls } = records.values;
  const ends = view(packed);
  const kept = new Uint32Array(n);
  const refused = [];
  let keptCount = 0;
  for (let i = 0, start = 0; i < n; i++) {
    const end = ends.getUint32(4 * i, true);
    if (isNull(nulls, i)) refused.push({ index: i, reason: "no value" });
    else if ((end - start) % 2 === 0) kept[keptCount++] = i;
    start = end;
  }
  if (keptCount === 0) return outcome(n, [], refused);
  const forward = new Uint8Array(kept.buffer, 0, 4 * keptCount);
  return outcome(n, [{ output: 0, body: { tag: "forward", val: forward } }], refused);
}

// A column of these byte strings.
function column(items) {
  let length = 0;
  const ends = new Uint32Array(items.length);
  for (let i = 0; i < items.length; i++) ends[i] = length += items[i].length;
  const data = new Uint8Array(length);
  for (let i = 0; i < items.length; i++) data.set(items[i], i === 0 ? 0 : ends[i - 1]);
  return { data, ends: new Uint8Array(ends.buffer), nulls: EMPTY };
}

// Records to be.
class Fresh {
  constructor(records) {
    this.timestamps = new DataView(new ArrayBuffer(8 * records));
    this.keys = [];
    this.values = [];
  }
  emission() {
    if (this.keys.length === 0) return [];
    const timestamps = new Uint8Array(this.timestamps.buffer, 0, 8 * this.keys.length);
    const columns = { timestamps, keys: column(this.keys), values: column(this.values) };
    return [{ output: 1, body: { tag: "fresh", val: { ...columns, headers: null, partitions: EMPTY } } }];
  }
}

// Arguments of one call; the engine allows some more.
const ARGUMENTS_MAX = 8192;

// One letter a byte: any key is a string, and different keys are different strings.
function nameOf(key) {
  if (key.length <= ARGUMENTS_MAX) return String.fromCharCode.apply(null, key);
  let name = "";
  for (let at = 0; at < key.length; at += ARGUMENTS_MAX) {
    name += String.fromCharCode.apply(null, key.subarray(at, at + ARGUMENTS_MAX));
  }
  return name;
}

// Each key of the batch, in the order of its first record, and who has none.
function tally(records) {
  const { data, ends: packed, nulls } = records.keys;
  const ends = view(packed);
  const tallies = new Map();
  const refused = [];
  const n = records.offsets.length / 8;
  for (let i = 0, start = 0; i < n; i++) {
    const end = ends.getUint32(4 * i, true);
    const key = data.subarray(start, end);
    start = end;
    if (isNull(nulls, i)) {
      refused.push({ index: i, reason: "no key" });
      continue;
    }
    const name = nameOf(key);
    const known = tallies.get(name);
    if (known) {
      known.records++;
      known.last = i;
    } else tallies.set(name, { key, records: 1, first: i, last: i });
  }
  return { tallies: [...tallies.values()], refused, n };
}

function count(records) {
  const { tallies, refused, n } = tally(records);
  if (tallies.length === 0) return outcome(n, [], refused);
  const keys = tallies.map((t) => t.key);
  const keyColumn = column(keys);
  const before = store.getMany(keyColumn);
  const ends = view(before.ends), counts = view(before.data), timestamps = view(records.timestamps);
  const fresh = new Fresh(tallies.length);
  tallies.forEach((t, i) => {
    const value = new Uint8Array(8), out = view(value);
    let low = t.records, high = 0;
    if (isNull(before.nulls, i)) {
      // a 64-bit number crosses as a double here: a time is exact up to 2^53 ms, the year 287396
      const at = Number(timestamps.getBigInt64(8 * t.first, true)) + FIRST_SEEN_TIMER_MS;
      setTimer({ clock: "event", at, key: t.key, payload: FIRST });
    } else {
      const at = ends.getUint32(4 * i, true) - 8;
      low += counts.getUint32(at, true);
      high = counts.getUint32(at + 4, true) + Math.floor(low / TWO_TO_THE_32);
    }
    out.setUint32(0, low % TWO_TO_THE_32, true);
    out.setUint32(4, high, true);
    fresh.timestamps.setBigInt64(8 * i, timestamps.getBigInt64(8 * t.last, true), true);
    fresh.keys.push(t.key);
    fresh.values.push(value);
  });
  store.putMany(keyColumn, column(fresh.values));
  return outcome(n, fresh.emission(), refused);
}

export const processor = { describe, open, process, onTimers, close };
