#!/usr/bin/env python3
"""Kafka's TransactionalMessageCopier with random aborts, killed -9 again and again: the copy holds each record once, in order.

COPIER_KILLS is how often each of the two copiers is killed, 5 unless set.
"""
import concurrent.futures
import os
import random

from kafka import BROKER, STAMP, Failed, Running, check, java, tool, until

COUNT = int(os.environ.get("COPIER_RECORDS", "20000"))
KILLS = int(os.environ.get("COPIER_KILLS", "5"))
INPUT, OUTPUT = "copier-in-" + STAMP, "copier-out-" + STAMP


def copier(partition):
    return Running("org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", BROKER, "--transactional-id", f"copier-{STAMP}-{partition}",
                   "--consumer-group", f"copier-{STAMP}-{partition}", "--input-topic", INPUT, "--input-partition", partition,
                   "--output-topic", OUTPUT, "--transaction-size", 100, "--transaction-timeout", 10_000, "--enable-random-aborts", "--use-group-metadata")


def processed(running):
    return max((event.get("totalProcessed", 0) for event in running.events()), default=0)


def copy(partition):
    """Copies one partition; the program is killed in the middle of its work KILLS times, and after that left to end."""
    rnd = random.Random(partition)
    kills = 0
    while True:
        with copier(partition) as running:
            enough = rnd.randrange(1, 1 + COUNT // 2 // (KILLS + 2)) if kills < KILLS else COUNT
            until(f"copier {partition}: worked", lambda: running.process.poll() is not None or processed(running) >= enough, [running])
            if running.process.poll() is not None:
                check(f"copier {partition}: ended well", 0, running.process.returncode)
                return kills
            running.kill()
            kills += 1


def main():
    for topic in (INPUT, OUTPUT):
        tool("TopicCommand", "--create", "--topic", topic, "--partitions", 2)
    rows = "".join(f"{i}\t{1_700_000_000_000 + i}\t{i}\n" for i in range(COUNT))
    java("Feed", BROKER, INPUT, text=rows)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        kills = sum(pool.map(copy, (0, 1)))
    check("copier: was killed in the middle", True, kills > 0 or KILLS == 0)
    wanted, seen = by_partition(INPUT), by_partition(OUTPUT)
    check("copier: records", COUNT, sum(map(len, seen.values())))
    check("copier: each partition is the same, in order", wanted, seen)


def by_partition(topic):
    found = {}
    for line in java("Drain", BROKER, topic, "partitions").splitlines():
        partition, rest = line.split("\t", 1)
        found.setdefault(partition, []).append(rest)
    return found


try:
    main()
except Failed as failure:
    raise SystemExit(f"FAILED {failure}")
