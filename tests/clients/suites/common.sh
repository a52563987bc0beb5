# Sourced by the suites: `SUITE.sh install` fetches and builds, `SUITE.sh run` runs against BROKER. What is published is fetched from
# its registry, never kept here. What is left out, one reason a line, is in LEFT_OUT.
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
suites=$here/suites

# unpack_crate NAME VERSION: copies the published crate, tests and all, to $work/NAME.
unpack_crate() {
  rm -rf "${work:?}/$1" "$work/fetch-$1"
  mkdir -p "$work/fetch-$1/src"
  printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n%s = "=%s"\n[workspace]\n' "$1" "$2" >"$work/fetch-$1/Cargo.toml"
  echo 'fn main() {}' >"$work/fetch-$1/src/main.rs"
  (cd "$work/fetch-$1" && cargo fetch -q)
  cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$1-$2" "$work/$1"
}

# counted PASSED WANTED: fails unless as many tests passed as are wanted, so that no test is skipped in silence.
counted() {
  [ "$1" = "$2" ] || { echo "$1 tests passed, $2 are wanted"; return 1; }
}

# passed FILE: the tests that passed, over all of cargo's programs.
passed() { sed -nE 's/^test result: .* ([0-9]+) passed.*/\1/p' "$1" | awk "{ sum += \$1 } END { print sum }"; }
