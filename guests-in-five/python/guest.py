"""The Python guest on raw bindings: a filter that forwards by index, or a keyed count, as its configuration says; the
same as the guests in the other four languages. Columns are read with `struct`, one call a column."""

import json
import struct
from itertools import pairwise

from componentize_py_types import Err
from wit_world.exports import Processor as Base
from wit_world.imports import logging, timers
from wit_world.imports.about import Description, Port, StoreSpec
from wit_world.imports.records import (
    Batch, Body_Forward, Body_Fresh, Column, Emission, Failure_Broken, FreshRecords, Outcome, Refused,
)
from wit_world.imports.state import Store

# A key's first record sets a timer this much later, in milliseconds.
FIRST_SEEN_TIMER_MS = 60_000
SCHEMA = '{"type":"object","properties":{"mode":{"enum":["filter","count"]}},"required":["mode"]}'


def ends(column: Column) -> tuple[int, ...]:
    """Where each item ends, with a 0 before the first."""
    return 0, *struct.unpack(f"<{len(column.ends) // 4}I", column.ends)


def is_null(nulls: bytes, index: int) -> bool:
    return bool(nulls) and nulls[index >> 3] >> (index & 7) & 1 == 1


def column(items: list[bytes]) -> Column:
    end, all_ends = 0, []
    for item in items:
        end += len(item)
        all_ends.append(end)
    return Column(b"".join(items), struct.pack(f"<{len(all_ends)}I", *all_ends), b"")


def fresh(timestamps: list[bytes], keys: list[bytes], values: list[bytes]) -> list[Emission]:
    if not keys:
        return []
    made = FreshRecords(b"".join(timestamps), column(keys), column(values), None, b"")
    return [Emission(1, Body_Fresh(made))]


def filter_by_index(batch: Batch) -> Outcome:
    values, nulls = batch.values, batch.values.nulls
    kept, refused = [], []
    for i, (start, end) in enumerate(pairwise(ends(values))):
        if nulls and is_null(nulls, i):
            refused.append(Refused(i, "no value"))
        elif (end - start) % 2 == 0:
            kept.append(i)
    emitted = [Emission(0, Body_Forward(struct.pack(f"<{len(kept)}I", *kept)))] if kept else []
    return Outcome(len(batch.offsets) // 8, emitted, refused, None)


def tally(batch: Batch) -> tuple[dict[bytes, list[int]], list[Refused]]:
    """The indices of each key's records, in the order of its first, and who has no key."""
    data, nulls = batch.keys.data, batch.keys.nulls
    tallies: dict[bytes, list[int]] = {}
    refused = []
    for i, (start, end) in enumerate(pairwise(ends(batch.keys))):
        if nulls and is_null(nulls, i):
            refused.append(Refused(i, "no key"))
        else:
            tallies.setdefault(data[start:end], []).append(i)
    return tallies, refused


def count_by_key(store: Store, batch: Batch) -> Outcome:
    tallies, refused = tally(batch)
    covered = len(batch.offsets) // 8
    if not tallies:
        return Outcome(covered, [], refused, None)
    keys = list(tallies)
    key_column = column(keys)
    before = store.get_many(key_column)
    values, timestamps = [], []
    for i, (key, (start, end)) in enumerate(zip(keys, pairwise(ends(before)))):
        indices = tallies[key]
        if is_null(before.nulls, i):
            first = struct.unpack_from("<q", batch.timestamps, 8 * indices[0])[0]
            timers.set(timers.Timer(timers.Clock.EVENT, first + FIRST_SEEN_TIMER_MS, key, b"first"))
        known = int.from_bytes(before.data[start:end], "little")
        values.append((known + len(indices)).to_bytes(8, "little"))
        timestamps.append(batch.timestamps[8 * indices[-1]:8 * indices[-1] + 8])
    store.put_many(key_column, column(values))
    return Outcome(covered, fresh(timestamps, keys, values), refused, None)


class Processor(Base):
    mode: str | None = None
    store: Store | None = None

    def describe(self) -> Description:
        outputs = [Port("kept", "Records with a value of even length"), Port("counts", "Records of each key so far")]
        return Description(
            "five-python", "0.1.0", "Filters by index, or counts by key, on raw bindings", SCHEMA,
            [Port("in", "Any records")], outputs, [StoreSpec("counts", None)], 1, [],
        )

    def open(self, task) -> None:
        mode = json.loads(task.config).get("mode")
        if mode not in ("filter", "count"):
            raise Err("`mode` is neither `filter` nor `count`")
        Processor.store = Store.open("counts") if mode == "count" else None
        Processor.mode = mode
        logging.log(logging.Level.INFO, "python guest is open")

    def process(self, batch: Batch) -> Outcome:
        if Processor.mode == "filter":
            return filter_by_index(batch)
        if Processor.mode == "count":
            return count_by_key(Processor.store, batch)
        raise Err(Failure_Broken("process before open"))

    def on_timers(self, due) -> Outcome:
        timestamps = [struct.pack("<q", timer.at) for timer in due]
        emitted = fresh(timestamps, [timer.key for timer in due], [timer.payload for timer in due])
        return Outcome(len(due), emitted, [], None)

    def close(self) -> None:
        Processor.mode = Processor.store = None
