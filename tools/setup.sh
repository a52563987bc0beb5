#!/usr/bin/env bash
# Installs what building Potok needs and this machine lacks. Looks first, so a second run changes nothing.
#
#   tools/setup.sh            what the host and its Rust guests need: a C++ compiler, libclang (for RocksDB's
#                             bindings), Rust with its WebAssembly target
#   tools/setup.sh python     the same, and Python, which drives clients and compares figures
#   tools/setup.sh guests     the same, and what guests in C, Go, JavaScript and Python are built with
#
# System packages come from apt (as root, or by sudo). Everything else goes below the user's cache folder, which may
# be deleted at any time: the Go toolchain from the Go module proxy, JavaScript's and Python's componentizers from
# npm and PyPI. Nothing outside those folders is touched, and no shell profile is edited.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/potok
source tools/guest-toolchains.sh

RUST_MIN=1.95

say() { echo "setup: $*" >&2; }
stop() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
# whether any of the paths (patterns allowed) is there
exists() { compgen -G "$1" >/dev/null || { [ $# -gt 1 ] && { shift; exists "$@"; }; }; }

missing=()
want() { missing+=("$@"); }

look_for_host_packages() {
  have git || want git
  have curl || want curl ca-certificates
  have cc || want gcc libc6-dev
  have c++ || want g++
  exists '/usr/lib/llvm-*/lib/libclang*.so*' '/usr/lib/*/libclang*.so*' '/usr/lib/libclang.so*' '/usr/lib64/libclang.so*' || want libclang-dev
}

look_for_python() { python_has_venv || want python3 python3-venv; }

look_for_guest_packages() {
  clang_targets_wasm || want clang lld wasi-libc libclang-rt-dev-wasm32
  look_for_python
  have node || want nodejs
  have npm || want npm
  # any Go can fetch the one we use; Debian 12 has 1.19
  have go || want golang-go
}

clang_targets_wasm() {
  have clang && clang --target=wasm32-wasi -mexec-model=reactor -x c -o /dev/null - <<< 'void run(void){}' 2>/dev/null
}

python_has_venv() { have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else stop "as root, run: $*"
  fi
}

install_packages() {
  [ ${#missing[@]} -gt 0 ] || return 0
  have apt-get || stop "this machine has no apt-get; install what these Debian packages hold, then run again: ${missing[*]}"
  say "installing system packages: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

check_rust() {
  have cargo && have rustc || stop "Rust is missing; install its stable toolchain as https://rustup.rs says, then run again"
  local version
  version=$(rustc --version | sed -E 's/^rustc ([0-9]+\.[0-9]+).*/\1/')
  [ "$(printf '%s\n%s\n' "$RUST_MIN" "$version" | sort -V | head -1)" = "$RUST_MIN" ] ||
    stop "rustc $version is too old, $RUST_MIN is needed: rustup update stable"
  for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
    say "adding rustup's $component"
    rustup component add "$component" >&2
  done
}

# The script prints the words for cargo on stdout; the guests' builds ask it again.
check_wasm_target() { tools/setup-rust-wasm.sh >/dev/null; }

install_go() {
  go_is_new_enough "$(command -v go || true)" && return 0
  [ -x "$GO_HOME/bin/go" ] && return 0
  say "fetching Go $GO_VERSION from the Go module proxy"
  local module="golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$(go env GOARCH)" folder
  (cd / && GOFLAGS=-modcacherw GOMODCACHE="$cache/tools/go-download" GO111MODULE=on go mod download "$module") >&2
  folder=$cache/tools/go-download/$module
  # a module's files come without their execute bits
  find "$folder/bin" "$folder/pkg/tool" -type f -exec chmod +x {} +
  mv "$folder" "$GO_HOME"
  rm -rf "$cache/tools/go-download"
}

install_componentize_qjs() {
  [ "$(cat "$JS_HOME/.installed" 2>/dev/null)" = "$QJS_VERSION" ] && return 0
  say "fetching componentize-qjs $QJS_VERSION from npm"
  mkdir -p "$JS_HOME"
  npm install --prefix "$JS_HOME" --no-audit --no-fund --no-save --loglevel=error "componentize-qjs@$QJS_VERSION" >&2
  echo "$QJS_VERSION" > "$JS_HOME/.installed"
}

install_componentize_py() {
  [ "$(cat "$PY_HOME/.installed" 2>/dev/null)" = "$PY_VERSION" ] && return 0
  say "fetching componentize-py $PY_VERSION from PyPI"
  rm -rf "$PY_HOME"
  python3 -m venv "$PY_HOME"
  "$PY_HOME/bin/pip" install -q --disable-pip-version-check "componentize-py==$PY_VERSION" >&2
  echo "$PY_VERSION" > "$PY_HOME/.installed"
}

look_for_host_packages
case ${1:-} in
  guests) look_for_guest_packages ;;
  python) look_for_python ;;
esac
install_packages
check_rust
check_wasm_target
if [ "${1:-}" = guests ]; then
  mkdir -p "$cache/tools"
  install_go
  install_componentize_qjs
  install_componentize_py
fi
