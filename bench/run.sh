#!/usr/bin/env bash
# The figures of bench/RESULTS.md: everything in one run, so that the ratios stand. `make bench` calls it.
# PEER=none leaves Kafka Streams out (it takes Maven, a JDK and some minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
guests=${POTOK_GUESTS:-${XDG_CACHE_HOME:-$HOME/.cache}/potok/guests}
bench=$CARGO_TARGET_DIR/release/potok-bench
tools/build-guests.sh bench-upper bench-count rekey hostile
cargo build --release -p potok -p potok-bench

warm=$(mktemp -u)
trap 'bench/kafka/peer.sh stop; rm -f "$warm"' EXIT
section() {
  bench/warm-memory.sh "$warm"
  echo "== $1"
}

section "log against bare RocksDB and a plain file"
# the whole workspace is selected so that nothing heavy is built with other features
cargo bench --profile release --workspace --bench compare

section "start, memory, partitions, upload"
"$bench" start --potok "$CARGO_TARGET_DIR/release/potok" --module "$guests/bench-upper.wasm"

section "neighbours of hostile guests"
"$bench" neighbours --potok "$CARGO_TARGET_DIR/release/potok" --guests "$guests"

section "HTTP"
"$bench" http

RECORDS=${RECORDS:-5000000}
stateless= count=
if [ "${PEER:-kafka}" != none ]; then
  section "Kafka Streams, the peer"
  bench/kafka/peer.sh start
  bench/kafka/peer.sh streams fill "$RECORDS" 1000
  state=$(mktemp -d)
  rate() { python3 -c 'import json, sys; r = json.loads(sys.stdin.read().strip().splitlines()[-1]); print(round(r["records"] / r["seconds"]))'; }
  stateless=$(bench/kafka/peer.sh streams stateless exactly_once_v2 "$state/a" "$RECORDS" | rate)
  count=$(bench/kafka/peer.sh streams count exactly_once_v2 "$state/b" "$RECORDS" | rate)
  echo "stateless $stateless records/s, counted $count records/s, exactly_once_v2"
  rm -rf "$state"
  bench/kafka/peer.sh stop
fi

section "processor, log to log"
"$bench" processor --module "$guests/bench-upper.wasm" --records "$RECORDS" ${stateless:+--peer "$stateless"}
"$bench" processor --module "$guests/bench-count.wasm" --records "$RECORDS" ${count:+--peer "$count"}
