#!/usr/bin/env bash
# The same clients on a real Kafka and on Potok, in turn, never both at once: each figure of both, and the ratio.
#   kafka.sh [SECTION…]      without names: all of them
#     raw          batches encoded beforehand, 1, 6 and 32 partitions: rates, the broker's CPU time a GiB, its memory; and read raw
#     disk         read raw and by ConsumerPerformance after a restart, the system's cache of files dropped where that is allowed
#     synced       acks=all on the disk, against flush.messages=1
#     java         ProducerPerformance: 100 B and 1 KiB, 1 and 6 partitions, acks 1 and all, none and lz4
#     consume      ConsumerPerformance right behind the producers
#     latency      one message from a Java producer to a Java consumer
#     connections  500 of them, each with a partition of its own
#     partitions   10,000 of them
#     idle         memory and CPU when nothing happens
# BROKERS="kafka potok"   which, in this order     MIB=512   what a raw run moves     REPORT=FILE   figures go there too     BUILT=1   the programs are built
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/potok/target}
export PEER=${PEER:-${XDG_CACHE_HOME:-$HOME/.cache}/potok/kafka-peer}
source tests/clients/broker.sh
MIB=${MIB:-512}
report=${REPORT:-$(mktemp)}
: >"$report"
# Kafka keeps several files open a partition
ulimit -S -n "$(ulimit -H -n)"

# figure GROUP: figures `name TAB value` come in; they are kept as broker, section, group, name, value
figure() { sed "s|^|$BROKER_KIND\t$section\t$1\t|" >>"$report"; }

raw() { # WHAT TOPIC OPTION…
  local what=$1 topic=$2
  shift 2
  "$CARGO_TARGET_DIR/release/potok-bench" kafka "$what" --broker "$BROKER" --pid "$broker_pid" --topic "$topic" "$@"
}

java_tool() { # CLASS ARG…: what clients of Kafka's own scripts get
  java -Xmx512m -Dlog4j2.level=ERROR -cp "$PEER/classes:$PEER/lib/*" "$@"
}

# Both brokers get to speed first: a JVM compiles what it runs often.
warm_up() {
  raw topic warm-up --partitions 6 >/dev/null
  raw produce warm-up --partitions 6 --connections 4 --mib "${WARM_MIB:-256}" >/dev/null
  raw fetch warm-up --partitions 6 --connections 4 --rounds 2 >/dev/null
}

section_raw() {
  warm_up
  local partitions many
  for partitions in 1 6 32; do
    many=(--partitions "$partitions" --connections 4)
    raw topic "raw-$partitions" --partitions "$partitions" >/dev/null
    raw produce "raw-$partitions" "${many[@]}" --mib "$MIB" | figure "produce, partitions: $partitions"
    raw fetch "raw-$partitions" "${many[@]}" --rounds 2 | figure "fetch, partitions: $partitions"
  done
}

section_disk() {
  raw topic disk --partitions 6 >/dev/null
  raw produce disk --partitions 6 --connections 4 --mib "$MIB" >/dev/null
  broker_restart
  raw fetch disk --partitions 6 --connections 4 | figure "raw fetch"
  broker_restart
  consumer_performance disk "$((MIB * 8000))" | figure ConsumerPerformance
}

# Data that no memory holds, where the system lets its cache of files be dropped.
drop_caches() {
  sync
  echo 3 2>/dev/null >/proc/sys/vm/drop_caches || echo "bench: the cache of files stays: not allowed to drop it" >&2
}

broker_restart() {
  broker_halt
  drop_caches
  broker_resume
}

section_synced() {
  local setting=() partitions
  [ "$BROKER_KIND" = potok ] || setting=(--setting flush.messages=1)
  warm_up
  for partitions in 1 6 32; do
    raw topic "synced-$partitions" --partitions "$partitions" "${setting[@]}" >/dev/null
    raw produce "synced-$partitions" --partitions "$partitions" --connections 4 --acks -1 --mib $((MIB / 16)) |
      figure "produce, partitions: $partitions"
  done
  producer_performance synced-6 1024 100000 all none | figure "ProducerPerformance, 1024 B, partitions: 6"
}

section_java() {
  warm_up
  local bytes partitions acks codec topic
  local -A records=([100]=3000000 [1024]=500000)
  for bytes in 100 1024; do
    for partitions in 1 6; do
      for acks in 1 all; do
        for codec in none lz4; do
          topic=java-$bytes-$partitions-$acks-$codec
          raw topic "$topic" --partitions "$partitions" >/dev/null
          producer_performance "$topic" "$bytes" "${records[$bytes]}" "$acks" "$codec" | figure "$bytes B, partitions: $partitions, acks $acks, $codec"
        done
      done
    done
  done
}

producer_performance() { # TOPIC BYTES RECORDS ACKS CODEC: its last line is the whole run
  java_tool org.apache.kafka.tools.ProducerPerformance --bootstrap-server "$BROKER" --topic "$1" --record-size "$2" \
    --num-records "$3" --throughput -1 --command-property "acks=$4" "compression.type=$5" |
    tail -1 | sed -nE 's|^[0-9]+ records sent, ([0-9.]+) records/sec.* ([0-9]+) ms 50th.* ([0-9]+) ms 99th,.*|records/s\t\1\np50 ms\t\2\np99 ms\t\3|p'
}

consumer_performance() { # TOPIC RECORDS: bytes and records a second of the fetching alone
  java_tool org.apache.kafka.tools.ConsumerPerformance --bootstrap-server "$BROKER" --topic "$1" --num-records "$2" --timeout 5000 --hide-header |
    tail -1 | awk -F ', *' '{ printf "records/s\t%s\nMiB/s\t%s\n", $10, $9 }'
}

section_consume() {
  warm_up
  local bytes
  local -A records=([100]=4000000 [1024]=500000)
  for bytes in 100 1024; do
    raw topic "consume-$bytes" --partitions 6 >/dev/null
    raw produce "consume-$bytes" --partitions 6 --connections 4 --value-bytes "$bytes" --mib "$MIB" >/dev/null
    consumer_performance "consume-$bytes" "${records[$bytes]}" | figure "$bytes B"
  done
}

section_latency() {
  warm_up
  local acks
  for acks in 1 all; do
    raw topic "latency-$acks" >/dev/null
    java_tool Latency "$BROKER" "latency-$acks" 10000 "$acks" 100 | figure "acks $acks"
  done
}

section_connections() {
  warm_up
  raw topic connections --partitions 500 >/dev/null
  raw produce connections --partitions 500 --connections 500 --mib "$MIB" | figure produce
  raw fetch connections --partitions 500 --connections 500 | figure fetch
}

section_partitions() {
  warm_up
  raw topic partitions --partitions 10000 | figure create
  # small batches, as records spread thinly
  raw produce partitions --partitions 10000 --connections 20 --batch-bytes 1024 --mib $((MIB / 4)) | figure produce
  raw fetch partitions --partitions 10000 --connections 20 | figure fetch
}

section_idle() {
  sleep 15 # what a start takes is given back within moments
  local before after
  before=$(ticks)
  sleep 10
  after=$(ticks)
  {
    awk '/^VmRSS/ { printf "resident MiB\t%.1f\n", $2 / 1024 }' "/proc/$broker_pid/status"
    printf 'CPU ms/s\t%s\n' $((after - before)) # a tick is 10 ms, and there were 10 s
  } | figure "nothing to do"
}

# CPU time of the broker so far, in hundredths of a second
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$broker_pid/stat"; }

sections=("$@")
[ $# -gt 0 ] || sections=(raw disk synced java consume latency connections partitions idle)
bench/kafka/peer.sh setup
[ -n "${BUILT:-}" ] || cargo build --release -p potok -p potok-bench
# whatever there is, even when a section fails
warm=$(mktemp -u)
trap 'broker_stop; rm -f "$warm"; bench/kafka/ratios.py "$report"' EXIT
for section in "${sections[@]}"; do
  for BROKER_KIND in ${BROKERS:-kafka potok}; do
    export BROKER_KIND
    echo "== $section: $BROKER_KIND" >&2
    bench/warm-memory.sh "$warm"
    broker_start
    "section_$section"
    broker_stop
  done
done
