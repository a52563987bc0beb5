#!/usr/bin/env bash
# Builds the example modules and those of the tests: guest-examples/NAME, tests/guests/NAME -> ~/.cache/potok/guests/NAME.wasm
#
#   tools/build-guests.sh [NAME]...        also bench-NAME, for bench/guests/NAME
#
# Sets up the WebAssembly target first if it is missing. Cargo decides what is built anew; a component that would not change is left
# as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/potok
out=$cache/guests
export CARGO_TARGET_DIR=$cache/guest-target
target=wasm32-unknown-unknown
locked=(${CI:+--locked})

say() { echo "build-guests: $*" >&2; }

# Every folder whose crate is a module.
modules() { grep -l '"cdylib"' {guest-examples,tests/guests}/*/Cargo.toml | xargs -n1 dirname | xargs -n1 basename; }

mapfile -t names < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else modules; fi)
for name in "${names[@]}"; do
  [ -f "guest-examples/$name/Cargo.toml" ] || [ -f "tests/guests/$name/Cargo.toml" ] || [ -f "bench/guests/${name#bench-}/Cargo.toml" ] || { say "there is no module $name; there are: $(modules | xargs)"; exit 1; }
done
toolchain=$(tools/setup-rust-wasm.sh | tail -1)
cd guest-examples

say "building modules for WebAssembly: ${names[*]} (about two minutes the first time, then seconds)"
packages=()
for name in "${names[@]}"; do packages+=(-p "$name"); done
# one word, or none at all
# shellcheck disable=SC2086
cargo $toolchain build -q --release "${locked[@]}" --target $target "${packages[@]}"

mkdir -p "$out"
pairs=()
for name in "${names[@]}"; do
  core=$CARGO_TARGET_DIR/$target/release/${name//-/_}.wasm
  if [ ! -f "$out/$name.wasm" ] || [ "$core" -nt "$out/$name.wasm" ]; then pairs+=("$core" "$out/$name.wasm"); fi
done
if [ ${#pairs[@]} -gt 0 ]; then cargo run -q "${locked[@]}" -p componentize -- "${pairs[@]}"; fi
say "${#names[@]} modules in $out"
