#!/usr/bin/env python3
"""A word count and a windowed join by Kafka Streams, at-least-once and exactly-once, killed in between: results exact.

Exactly once: killed -9 while it works, its state thrown away, started again; every output there once and in order.
At least once: killed -9 when everything is committed, its state thrown away, so that nothing may be done again.
"""
import collections
import random
import shutil
import subprocess
import tempfile

from kafka import BROKER, STAMP, Failed, Running, check, java, tool, until

LINES = 3000
WORDS = ["river", "stream", "brook", "creek", "delta", "mouth", "spring", "source"]
BASE_MS = 1_700_000_000_000


def inputs(seed):
    """Lines of words; orders, and payments of which every third comes too late for the window."""
    rnd = random.Random(seed)
    lines = [f"{i}\t{BASE_MS + i}\t{' '.join(rnd.choices(WORDS, k=4))}" for i in range(LINES)]
    orders = [f"k{i}\t{BASE_MS + 100 * i}\torder{i}" for i in range(LINES)]
    payments = [f"k{i}\t{BASE_MS + 100 * i + (9_000 if i % 3 else 11_000)}\tpayment{i}" for i in range(LINES)]
    return {"lines": lines, "orders": orders, "payments": payments}


def send(prefix, data, part):
    for name, rows in data.items():
        java("Feed", BROKER, prefix + name, text="\n".join(rows[part]) + "\n")


def read(topic):
    """All committed records of a topic as (key, value)."""
    out = java("Drain", BROKER, topic)
    return [tuple(line.split("\t")) for line in out.splitlines()]


def wanted(data):
    words = [word for line in data["lines"] for word in line.split("\t")[2].split(" ")]
    paid = sorted((f"k{i}", f"order{i}+payment{i}") for i in range(LINES) if i % 3)
    return collections.Counter(words), paid


def run(guarantee):
    prefix, data, state = f"streams-{guarantee}-{STAMP}-", inputs(7), tempfile.mkdtemp(prefix="potok-streams.")
    for name in ("lines", "counts", "orders", "payments", "paid"):
        tool("TopicCommand", "--create", "--topic", prefix + name, "--partitions", 3)
    half, rest = slice(0, LINES // 2), slice(LINES // 2, LINES)
    app = lambda: Running("Wordcount", BROKER, prefix, guarantee, state)
    try:
        with app() as first:
            until(f"{guarantee}: runs", lambda: "state RUNNING" in first.lines(), [first])
            send(prefix, data, half)
            if guarantee == "at_least_once":
                until(f"{guarantee}: all committed", lambda: lag(prefix + "app") == 0, [first])
            else:
                until(f"{guarantee}: at work", lambda: read(prefix + "counts"), [first])
            first.kill()
        shutil.rmtree(state)
        with app() as second:
            send(prefix, data, rest)
            until(f"{guarantee}: all committed after the kill", lambda: lag(prefix + "app") == 0, [second])
            second.stop()
    finally:
        shutil.rmtree(state, ignore_errors=True)
    verify(guarantee, prefix, data)


def verify(guarantee, prefix, data):
    counts, paid = wanted(data)
    seen = collections.defaultdict(list)
    for word, count in read(prefix + "counts"):
        seen[word].append(int(count))
    check(f"{guarantee}: each word counted from 1 up, no step twice or missing", {w: list(range(1, n + 1)) for w, n in counts.items()}, dict(seen))
    check(f"{guarantee}: joined pairs", paid, sorted(read(prefix + "paid")))


def lag(group):
    try:
        shown = tool("consumer.group.ConsumerGroupCommand", "--describe", "--group", group)
    except (Failed, subprocess.TimeoutExpired):
        return None
    rows = [line.split() for line in shown.splitlines() if line.startswith(group)]
    return sum(int(row[5]) if row[5] != "-" else 1 for row in rows) if rows else None


try:
    for guarantee in ("at_least_once", "exactly_once_v2"):
        run(guarantee)
except Failed as failure:
    raise SystemExit(f"FAILED {failure}")
