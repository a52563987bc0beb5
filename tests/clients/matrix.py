#!/usr/bin/env python3
"""Every client reads what every client wrote.

One topic a writer, the records of records.txt once a codec in it; each reader must see
all of them as they were sent. Prints a table and, below it, what differed.
usage: BROKER=host:port matrix.py
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
CANNOT_WRITE = {
    "kafka-python": "nilheader",
    "kafkajs": "duporder,nilheader",
    "confluent-js": "duporder,nilheader,empty,emptyheader",  # sends null for zero bytes
}
CANNOT_READ = {
    "kafka-go": "empty,emptyheader",  # null where there are zero bytes
    "kafkajs": "duporder",  # headers grouped by name
    "confluent-js": "duporder,nilheader",  # zero bytes where there is null
}
ONLY_READS = {"kcat"}
CLIENTS = ["java", "confluent-kafka", "kafka-python", "aiokafka", "franz-go", "sarama", "kafka-go", "kafkajs", "platformatic", "confluent-js", "kcat"]


def run(client, *args, **env):
    start = pathlib.Path(__file__).parent / "start.sh"
    done = subprocess.run([start, client, *args], env=os.environ | env, capture_output=True, text=True, timeout=180)
    lines = (done.stdout + done.stderr).splitlines()
    return done.returncode, [line for line in lines if line.strip() and line != "differs"]


def main():
    now = int(time.time() * 1000)
    times = [str(now + 1000 * i) for i in range(len(CODECS))]
    writers = [name for name in CLIENTS if name not in ONLY_READS]
    problems = []

    def write(writer):
        for codec, at in zip(CODECS, times):
            code, lines = run(writer, "write", f"rt-by-{writer}-{now}", codec, at, SKIP=CANNOT_WRITE.get(writer, ""))
            if code:
                problems.append(f"{writer} writes {codec}: {' | '.join(lines[:3])}")

    def read(pair):
        reader, writer = pair
        code, lines = run(reader, "read", f"rt-by-{writer}-{now}", *times,
                          SKIP=CANNOT_WRITE.get(writer, ""), IGNORE=CANNOT_READ.get(reader, ""))
        if code:
            problems.append(f"{reader} reads {writer}: {' | '.join(lines[:3])[:400]}")
        return "ok" if code == 0 else "**differs**"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(write, writers))
        pairs = [(reader, writer) for reader in CLIENTS for writer in writers]
        results = dict(zip(pairs, pool.map(read, pairs)))
    print("| reads ↓ writes → |", " | ".join(writers), "|")
    print("| --- |", " --- |" * len(writers))
    for reader in CLIENTS:
        print(f"| {reader} |", " | ".join(results[reader, writer] for writer in writers), "|")
    print(*problems, sep="\n")
    sys.exit(bool(problems))


main()
