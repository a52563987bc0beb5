#!/usr/bin/env bash
# The same clients on a real Kafka and on Potok, in turn, never both at once: each figure of both, and the ratio.
#   kafka.sh [SECTION…]      without names: all of them
#     raw          batches encoded beforehand, 1, 6 and 32 partitions: rates, the broker's CPU time a GiB, its memory; and read raw
#     disk         read raw and by ConsumerPerformance after a restart, what it wrote no longer in the system's cache of files
#     synced       acks=all with flush.messages=1: on the disk before it is answered, by both
#     java         ProducerPerformance: 100 B and 1 KiB, 1 and 6 partitions, acks 1 and all, none and lz4
#     consume      ConsumerPerformance right behind the producers
#     latency      one message from a Java producer to a Java consumer
#     connections  500 of them, each with a partition of its own
#     partitions   10,000 of them
#     idle         memory and CPU when nothing happens
# Kafka syncs with flush.messages=1 alone, Potok wherever acks is all: without that setting, acks=all is more work for Potok.
# BROKERS="kafka potok"   which, in this order     REPORT=FILE   figures go there too     BUILT=1   the programs are built
# PERCENT=100   how much of everything: with 1 it is seen whether all of it works, and nothing else
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/potok/target}
export PEER=${PEER:-${XDG_CACHE_HOME:-$HOME/.cache}/potok/kafka-peer}
source tests/clients/broker.sh
PERCENT=${PERCENT:-100}
report=${REPORT:-$(mktemp)}
: >"$report"
# Kafka keeps several files open a partition
ulimit -S -n "$(ulimit -H -n)"

# part COUNT: as much of it as PERCENT says, and something
part() { echo $((($1 * PERCENT + 99) / 100)); }
MIB=$(part 512)

# figure GROUP: figures `name TAB value` come in; they are kept as broker, section, group, name, value
figure() { sed "s|^|$BROKER_KIND\t$section\t$1\t|" >>"$report"; }

raw() { # WHAT TOPIC OPTION…
  local what=$1 topic=$2
  shift 2
  "$CARGO_TARGET_DIR/release/potok-bench" kafka "$what" --broker "$BROKER" --pid "$broker_pid" --topic "$topic" "$@"
}

# Kafka makes an index file at its full size, 10 MiB of nothing, and writes to it through memory: a system that reads ahead by 8 MiB, as some
# virtual machines do, takes as much of memory for its first byte, and Kafka would be measured by that. This is enough for what comes here.
index_bytes=$((1 << 20))
topic() { raw topic "$@" --setting "segment.index.bytes=$index_bytes"; } # TOPIC OPTION…

java_tool() { # CLASS ARG…: what clients of Kafka's own scripts get
  java -Xmx512m -Dlog4j2.level=ERROR -cp "$PEER/classes:$PEER/lib/*" "$@"
}

# Both brokers get to speed first: a JVM compiles what it runs often.
warm_up() {
  topic warm-up --partitions 6 >/dev/null
  raw produce warm-up --partitions 6 --connections 4 --mib "$(part 256)" >/dev/null
  raw fetch warm-up --partitions 6 --connections 4 --rounds 2 >/dev/null
}

section_raw() {
  warm_up
  local partitions many
  for partitions in 1 6 32; do
    many=(--partitions "$partitions" --connections 4)
    topic "raw-$partitions" --partitions "$partitions" >/dev/null
    raw produce "raw-$partitions" "${many[@]}" --mib "$MIB" | figure "produce, partitions: $partitions"
    raw fetch "raw-$partitions" "${many[@]}" --rounds 2 | figure "fetch, partitions: $partitions"
  done
}

section_disk() {
  local name
  for name in disk disk-java; do
    topic "$name" --partitions 6 >/dev/null
    raw produce "$name" --partitions 6 --connections 4 --mib "$MIB" >/dev/null
  done
  broker_restart
  warm_up
  raw fetch disk --partitions 6 --connections 4 | figure "raw fetch"
  consumer_performance disk-java 100 | figure ConsumerPerformance
}

broker_restart() {
  broker_halt
  # no memory holds its files any more: what is on the disk is let go of
  find "$broker_folder" -type f -exec sh -c 'sync "$@"; for file; do dd if="$file" iflag=nocache count=0 status=none; done' sh {} +
  broker_resume
}

section_synced() {
  local partitions
  warm_up
  for partitions in 1 6 32; do
    topic "synced-$partitions" --partitions "$partitions" --setting flush.messages=1 >/dev/null
    raw produce "synced-$partitions" --partitions "$partitions" --connections 4 --acks -1 --mib "$(part 256)" |
      figure "produce, partitions: $partitions"
  done
  producer_performance synced-6 1024 "$(part 200000)" all none | figure "ProducerPerformance, 1024 B, partitions: 6"
}

section_java() {
  warm_up
  local bytes partitions acks codec topic
  local -A records=([100]=$(part 1500000) [1024]=$(part 250000))
  for bytes in 100 1024; do
    for partitions in 1 6; do
      for acks in 1 all; do
        for codec in none lz4; do
          topic=java-$bytes-$partitions-$acks-$codec
          topic "$topic" --partitions "$partitions" >/dev/null
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

consumer_performance() { # TOPIC BYTES: of the MIB that lie in it, records of so many bytes; what the fetching alone brings in a second
  local records=$(((MIB << 20) / ($2 + 20))) # one takes less than 20 bytes beside its value
  java_tool org.apache.kafka.tools.ConsumerPerformance --bootstrap-server "$BROKER" --topic "$1" --num-records "$records" --timeout 5000 --hide-header |
    tail -1 | awk -F ', *' '{ printf "records/s\t%s\nMiB/s\t%s\n", $10, $9 }'
}

section_consume() {
  warm_up
  local bytes
  for bytes in 100 1024; do
    topic "consume-$bytes" --partitions 6 >/dev/null
    raw produce "consume-$bytes" --partitions 6 --connections 4 --value-bytes "$bytes" --mib "$MIB" >/dev/null
    consumer_performance "consume-$bytes" "$bytes" | figure "$bytes B"
  done
}

section_latency() {
  warm_up
  latency 1
  latency all
  latency all flush.messages=1
}

latency() { # ACKS [SETTING]
  local topic=latency-$1-${2:-}
  topic=${topic/=/-}
  topic "$topic" ${2:+--setting "$2"} >/dev/null
  java_tool Latency "$BROKER" "$topic" "$(part 10000)" "$1" 100 | figure "acks $1${2:+, $2}"
}

# of many partitions each has little; ordinary systems read ahead by as much
MANY_INDEX_BYTES=$((128 << 10))

section_connections() {
  warm_up
  local many index_bytes=$MANY_INDEX_BYTES
  many=(--partitions "$(part 500)" --connections "$(part 500)")
  topic connections "${many[@]}" >/dev/null
  raw produce connections "${many[@]}" --mib "$MIB" | figure produce
  raw fetch connections "${many[@]}" | figure fetch
}

section_partitions() {
  warm_up
  local many index_bytes=$MANY_INDEX_BYTES
  many=(--partitions "$(part 10000)" --connections 20)
  topic partitions "${many[@]}" | figure create
  # small batches, as records spread thinly; not before each partition has its files
  raw produce partitions "${many[@]}" --batch-bytes 1024 --mib "$(part 32)" >/dev/null
  raw produce partitions "${many[@]}" --batch-bytes 1024 --mib "$(part 128)" | figure produce
  raw fetch partitions "${many[@]}" | figure fetch
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
trap 'broker_stop; rm -f "$warm"; bench/kafka/ratios.py "$report"; [ -n "${REPORT:-}" ] || rm "$report"' EXIT
for section in "${sections[@]}"; do
  for BROKER_KIND in ${BROKERS:-kafka potok}; do
    export BROKER_KIND
    echo "== $section: $BROKER_KIND" >&2
    [ "$PERCENT" -lt 100 ] || bench/warm-memory.sh "$warm"
    broker_start
    "section_$section"
    broker_stop
  done
done
