#!/usr/bin/env bash
# Builds the guests on raw bindings, one in each language: guests-in-five/LANGUAGE -> ~/.cache/potok/guests-in-five/LANGUAGE.wasm
#
#   tools/build-guests-in-five.sh [rust|c|go|javascript|python]...
#
# The toolchains come from tools/setup.sh guests. A guest whose sources, WIT and toolchain are as they were is not built again.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/potok
source tools/guest-toolchains.sh

world=processor-plugin
here=$PWD/guests-in-five
out=$cache/guests-in-five
export CARGO_TARGET_DIR=$out/target
tool=$CARGO_TARGET_DIR/release/guest-bindings
locked=(${CI:+--locked})

say() { echo "guests-in-five: $*" >&2; }

# Everything that a guest is made of, as one digest.
inputs_of() { # LANGUAGE
  {
    find "$here/$1" -type f -print0 | sort -z | xargs -0 cat
    cat wit/*.wit tools/build-guests-in-five.sh tools/guest-toolchains.sh tools/guest-bindings/src/*
    [ "$1" != rust ] || cat "$here/Cargo.lock"
  } | sha256sum
}

build() { # LANGUAGE
  local inputs start=$SECONDS work=$out/build/$1
  inputs=$(inputs_of "$1")
  [ -f "$out/$1.wasm" ] && [ "$(cat "$out/$1.inputs" 2>/dev/null)" = "$inputs" ] && return 0
  rm -rf "$work" "$out/$1.inputs"
  mkdir -p "$work"
  "build_$1" "$work"
  echo "$inputs" > "$out/$1.inputs"
  say "$1: $(wc -c < "$out/$1.wasm") bytes in $((SECONDS - start)) s"
}

build_tool() { (cd "$here" && cargo build -q --release "${locked[@]}" -p guest-bindings); }

build_rust() {
  local toolchain
  toolchain=$(tools/setup-rust-wasm.sh | tail -1)
  # one word, or none at all
  # shellcheck disable=SC2086
  (cd "$here" && cargo $toolchain build -q --profile guest "${locked[@]}" -p guest-in-five-rust --target wasm32-unknown-unknown)
  "$tool" component "$CARGO_TARGET_DIR/wasm32-unknown-unknown/guest/guest_in_five_rust.wasm" "$out/rust.wasm"
}

build_c() {
  "$tool" c wit $world "$1/bindings"
  # a megabyte of stack, which is lld's default, would be a megabyte of every instance
  clang --target=wasm32-wasi -mexec-model=reactor -O3 -s -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -Wl,-z,stack-size=65536 \
    -I"$1/bindings" -o "$1/core.wasm" "$here/c/guest.c" "$1/bindings/processor_plugin.c" "$1/bindings/processor_plugin_component_type.o"
  "$tool" component "$1/core.wasm" "$out/c.wasm"
}

# The bindings' runtime package for Go, out of the crate that makes the bindings: Cargo has checked its digest, and the
# checksum database of Go does not know this version.
go_runtime() {
  (cd "$here" && cargo metadata --format-version 1 "${locked[@]}") |
    python3 -c 'import json, os, sys; print(next(os.path.dirname(p["manifest_path"]) + "/src/pkg" for p in json.load(sys.stdin)["packages"] if p["name"] == "wit-bindgen-go"))'
}

build_go() {
  "$tool" go wit $world "$1"
  mkdir -p "$1/export_potok_plugin_processor"
  cp "$here/go/guest.go" "$1/export_potok_plugin_processor/"
  cp -r "$(go_runtime)" "$1/runtime"
  chmod -R u+w "$1/runtime"
  printf '\nreplace go.bytecodealliance.org/pkg => ./runtime\n' >> "$1/go.mod"
  # checklinkname: the runtime package reaches into Go's own for its allocator
  (cd "$1" && GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off GOOS=wasip1 GOARCH=wasm "$(go_program)" build -buildmode=c-shared -ldflags='-s -w -checklinkname=0' -o core.wasm .)
  # Go writes no custom sections, so the tool adds the one with the component's type
  "$tool" component "$1/core.wasm" "$out/go.wasm" wit $world
}

# cli.mjs itself: the package's launcher is a module without saying so, which the Node 18 of Debian 12 refuses.
build_javascript() {
  node "$JS_HOME/node_modules/componentize-qjs/cli.mjs" --wit wit -n $world --js "$here/javascript/guest.js" --sync --stub-wasi -o "$1/guest.wasm" >"$1/log" || { cat "$1/log" >&2; return 1; }
  mv "$1/guest.wasm" "$out/javascript.wasm"
}

build_python() {
  "$PY_HOME/bin/componentize-py" -q -d wit -w $world componentize -s guest -p "$here/python" -o "$1/guest.wasm" >&2
  mv "$1/guest.wasm" "$out/python.wasm"
}

mkdir -p "$out"
build_tool
[ $# -gt 0 ] || set -- rust c go javascript python
for language in "$@"; do build "$language"; done
