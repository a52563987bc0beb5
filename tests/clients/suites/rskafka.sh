#!/usr/bin/env bash
# rskafka's integration tests, from the crate; they want a broker that creates no topics by itself.
source "$(dirname "$0")/common.sh"
VERSION=0.6.0
# of them 19 return at once and count as passed: three that need SASL or SOCKS5 servers, sixteen that need a Maven project of theirs
PASSED=58
# its unit tests are left out (--test names the others): they are about timing and meet no broker
TESTS=(--test client --test consumer --test producer --test produce_consume)
folder=$work/rskafka
# the crate pins an old toolchain
export RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable} CARGO_TARGET_DIR=$work/target-rskafka CARGO_PROFILE_DEV_DEBUG=0

build() {
  unpack_crate rskafka "$VERSION"
  cd "$folder"
  # and its lock file an rsasl that Rust 1.95 refuses
  cargo update -q -p rsasl --precise 2.3.1
  cargo test -q -j 2 --no-run "${TESTS[@]}"
}

case $1 in
  install) once suite-rskafka "$VERSION" build ;;
  run)
    cd "$folder"
    TEST_INTEGRATION=1 TEST_BROKER_IMPL=kafka KAFKA_CONNECT=$BROKER \
      cargo test -q --no-fail-fast "${TESTS[@]}" -- --test-threads=2 | tee "$work/rskafka.said"
    counted "$(passed "$work/rskafka.said")" $PASSED
    ;;
esac
