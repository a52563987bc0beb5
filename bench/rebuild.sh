#!/usr/bin/env bash
# What a change of one line costs in each room: seconds until the binary is there again. Each room's first file counts as changed.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/potok/target}
cargo build -q --release -p potok
for room in types log groups coordinator plugin processor kafka http host; do
  if [ "$room" = host ]; then file=host/src/lib.rs; else file=host/crates/$room/src/lib.rs; fi
  touch "$file"
  started=$(date +%s%N)
  cargo build -q --release -p potok
  echo "$room: $((($(date +%s%N) - started) / 1000000000)) s"
done
