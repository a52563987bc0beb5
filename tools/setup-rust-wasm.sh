#!/usr/bin/env bash
# Gives this machine a Rust that builds for wasm32-unknown-unknown. A second run finds it and changes nothing.
#
#   tools/setup-rust-wasm.sh [--fallback] [FOLDER]
#
# First `rustup target add`. Where rustup cannot reach its server, or with --fallback: Debian's package rustc-web, unpacked into
# FOLDER (~/.cache/potok/rust-wasm) and not installed, with the standard library for WebAssembly built into it once from rust-web-src.
# Takes about 80 s and 480 MiB. rustup then knows it as toolchain `potok-wasm`; nothing else of the system changes.
#
# What it does goes to stderr. The last line of stdout is the word to put behind `cargo`, possibly none:
#   cargo $(tools/setup-rust-wasm.sh | tail -1) build --release --target wasm32-unknown-unknown
set -euo pipefail

target=wasm32-unknown-unknown
host=x86_64-unknown-linux-gnu
toolchain=potok-wasm
# rustup tries again for minutes when its server does not answer
rustup_seconds_max=60

fallback=
if [ "${1:-}" = --fallback ]; then fallback=1; shift; fi
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/potok/rust-wasm}

say() { echo "setup-rust-wasm: $*" >&2; }
stop() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Whether this rustc has the target's standard library.
builds_wasm() { # RUSTC
  local root
  root=$("$1" --print sysroot 2>/dev/null) && compgen -G "$root/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null
}

# Ends with the word for cargo that chooses FOLDER's rustc.
use_folder() {
  if have rustup; then
    rustup toolchain link "$toolchain" "$folder" >&2
    echo "+$toolchain"
  else
    echo "--config=build.rustc=\"$folder/bin/rustc\""
  fi
  exit 0
}

add_with_rustup() {
  have rustup || return 1
  say "asking rustup for $target (at most $rustup_seconds_max s)"
  timeout "$rustup_seconds_max" rustup target add "$target" >&2 && builds_wasm rustc
}

if [ -z "$fallback" ] && builds_wasm rustc; then echo; exit 0; fi
if builds_wasm "$folder/bin/rustc"; then use_folder; fi
if [ -z "$fallback" ] && add_with_rustup; then echo; exit 0; fi

[ "$(uname -sm)" = "Linux x86_64" ] && have apt-get ||
  stop "rustup could not add $target, and the other way is for Debian on x86_64: try 'rustup target add $target' again later"
say "taking Debian's rustc-web instead, into $folder (about 80 s, 480 MiB)"

work=$(mktemp -d)
trap 'rm -rf "$work" "$folder.new"' EXIT
# apt downloads as a user of its own
chmod 755 "$work"
mkdir -m 755 "$work/packages" "$work/unpacked"

if ! apt-cache show rustc-web >/dev/null 2>&1; then
  say "apt knows no rustc-web yet: updating its lists"
  if [ "$(id -u)" = 0 ]; then apt-get update -qq; elif have sudo; then sudo apt-get update -qq; else stop "as root, run: apt-get update"; fi
fi
# The library's package carries the version in its name, and says which LLVM it was built with.
depends_on() { apt-cache depends "$1" 2>/dev/null | sed -nE "s/.*Depends: ($2)\$/\1/p" | head -1; }
std=$(depends_on libstd-rust-web-dev 'libstd-rust-web-[0-9.]+')
llvm=$(depends_on "${std:-none}" 'libllvm[0-9]+')
[ -n "$std" ] && [ -n "$llvm" ] || stop "this Debian has no rustc-web: 'rustup target add $target' is the only way"

fetch() { (cd "$work/packages" && apt-get download -qq "$@" 2>/dev/null) || stop "apt could not download $*"; }
fetch rustc-web libstd-rust-web-dev "$std" rust-web-src "$llvm"
for package in "$work"/packages/*.deb; do
  case $package in
    # of the whole compiler's source only the library
    */rust-web-src_*) dpkg --fsys-tarfile "$package" | tar -x -C "$work/unpacked" --wildcards './usr/src/rustc-*/library/*' ;;
    *) dpkg -x "$package" "$work/unpacked" ;;
  esac
done

# The folder gets the shape of a rustup toolchain.
new=$folder.new
rm -rf "$new"
mkdir -p "$new/bin" "$new/libexec" "$new/lib/rustlib/$host/bin" "$new/lib/rustlib/src/rust"
mv "$work/unpacked/usr/bin/rustc" "$new/libexec/rustc"
mv "$work"/unpacked/usr/lib/x86_64-linux-gnu/lib*.so* "$new/lib/"
mv "$work/unpacked/usr/lib/rustlib/$host/lib" "$new/lib/rustlib/$host/lib"
mv "$work"/unpacked/usr/src/rustc-*/library "$new/lib/rustlib/src/rust/library"
# the package links from there into /usr/lib
find "$new/lib/rustlib/$host/lib" -type l | while read -r link; do
  ln -sfn "../../../$(basename "$(readlink "$link")")" "$link"
done
cat > "$new/bin/rustc" <<'WRAPPER'
#!/bin/sh
# rustc with the LLVM that lies beside it.
here=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$here/../lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/../libexec/rustc" "$@"
WRAPPER
chmod +x "$new/bin/rustc"

# The linker: the one of the Rust that is installed, else Debian's of the same LLVM.
linker=$(rustc --print sysroot 2>/dev/null || true)/lib/rustlib/$host/bin/rust-lld
if [ -x "$linker" ]; then
  ln -s "$linker" "$new/lib/rustlib/$host/bin/rust-lld"
else
  fetch "lld-${llvm#libllvm}"
  dpkg -x "$work"/packages/lld-*.deb "$work/unpacked"
  cp "$work/unpacked/usr/lib/llvm-${llvm#libllvm}/bin/lld" "$new/lib/rustlib/$host/bin/rust-lld"
fi
"$new/bin/rustc" --version >&2 || stop "the unpacked rustc does not start"

say "building the standard library for $target"
mkdir -p "$work/std/src"
echo '#![no_std]' > "$work/std/src/lib.rs"
printf '[package]\nname = "potok_std"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' > "$work/std/Cargo.toml"
# bitcode, so that guests can be optimised together with the library; the other flag marks its crates as the compiler's own
(cd "$work/std" && env -u CARGO_BUILD_TARGET RUSTC="$new/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/std/target" \
  RUSTFLAGS="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked" \
  cargo build -q --release -Zbuild-std=std,panic_abort --target "$target" >&2)
mkdir -p "$new/lib/rustlib/$target/lib"
find "$work/std/target/$target/release/deps" -name '*.rlib' ! -name 'libpotok_std*' -exec cp {} "$new/lib/rustlib/$target/lib/" \;
builds_wasm "$new/bin/rustc" || stop "the standard library was built, but rustc does not find it"
rm -rf "$new/lib/rustlib/src" "$folder"
mkdir -p "$(dirname "$folder")"
mv "$new" "$folder"
use_folder
