#!/usr/bin/env bash
# Fuzzes what reads bytes from outside: tools/fuzz.sh [SECONDS] [TARGET...]; a minute for every target by default.
# Needs no nightly toolchain: libFuzzer comes as the crate libfuzzer-sys (built with the C++ compiler that RocksDB needs
# anyway), and the coverage that guides it from LLVM's SanitizerCoverage pass, which stable rustc can run.
# Corpora grow in the cache folder. An input that fails is printed with its path: copy it to fuzz/regressions/TARGET/,
# which every run replays first.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/potok/fuzz
seconds=60
targets=()
for argument in "$@"; do
  if [[ $argument =~ ^[0-9]+$ ]]; then seconds=$argument; else targets+=("$argument"); fi
done
if [ ${#targets[@]} -eq 0 ]; then
  for file in targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# What one input may cost: an input that takes more is a finding (single allocations: fuzz/src/memory.rs).
INPUT_SECONDS_MAX=10
MEMORY_MIB_MAX=512
INPUT_BYTES_MAX=65536

# A folder of its own: crates built to be fuzzed must not mix with those that are run.
export CARGO_TARGET_DIR=$cache/target
flags=(--cfg fuzzing -Clink-dead-code -Cpasses=sancov-module
  -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares
  -Cllvm-args=-simplifycfg-branch-fold-threshold=0)
# with a --target, build scripts and proc macros are built without these flags
host=$(rustc -vV | sed -n 's/^host: //p')
echo "building the fuzz targets"
RUSTFLAGS="${flags[*]}" cargo build --quiet --release --locked --target "$host" --bins
bin=$CARGO_TARGET_DIR/$host/release

failed=()
for target in "${targets[@]}"; do
  [ -f "targets/$target.rs" ] || { echo "no fuzz target '$target'; there are: $(cd targets && echo *.rs | sed 's/\.rs//g')"; exit 2; }
  corpus=$cache/corpus/$target findings=$cache/findings/$target
  mkdir -p "$corpus" "$findings"
  POTOK_FUZZ_SEEDS=$cache/seeds/$target "$bin/$target" 2>"$cache/$target.log" || { cat "$cache/$target.log"; exit 1; }
  folders=("$corpus" "$cache/seeds/$target")
  [ ! -d "regressions/$target" ] || folders+=("regressions/$target")
  echo "fuzzing $target for $seconds s (corpus: $(find "${folders[@]}" -type f | wc -l) inputs)"
  if ! "$bin/$target" "${folders[@]}" -max_total_time="$seconds" -timeout=$INPUT_SECONDS_MAX \
    -rss_limit_mb=$MEMORY_MIB_MAX -max_len=$INPUT_BYTES_MAX \
    -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=0 2>"$cache/$target.log"; then
    failed+=("$target")
    tail -n 60 "$cache/$target.log"
    echo "fuzz target $target FAILED; the input lies in $findings"
  else
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added|peak_rss_mb)' "$cache/$target.log" || true
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "fuzzing FAILED: ${failed[*]}"; exit 1; }
