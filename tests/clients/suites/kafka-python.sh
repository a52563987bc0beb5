#!/usr/bin/env bash
# kafka-python's integration tests, from its sdist.
source "$(dirname "$0")/common.sh"
VERSION=3.0.12
PASSED=54
LEFT_OUT=(
  # they start a broker of their own, from a Kafka folder that the sdist does not hold
  --ignore=test/integration/test_ssl_integration.py
  --ignore=test/integration/test_sasl_integration.py
  # wants an authorizer; there is none
  --deselect=test/integration/test_admin_integration.py::test_create_describe_delete_acls
)
folder=$work/suite-kafka-python
# What the client takes the broker for by its versions: Potok has what is new in 4.1, and neither ListOffsets 11 nor DescribeLogDirs 5.
case ${BROKER_KIND:-potok} in
  potok) LOOKS_LIKE=4.1 ;;
  kafka) LOOKS_LIKE=4.3 ;;
esac

fetch() {
  rm -rf "$folder"
  python3 -m venv "$folder/venv"
  local pip=("$folder/venv/bin/pip" -q --disable-pip-version-check)
  "${pip[@]}" download --no-deps --no-binary :all: -d "$folder" "kafka-python==$VERSION"
  tar -xf "$folder/kafka_python-$VERSION.tar.gz" -C "$folder" --strip-components 1 --one-top-level=source
  # without a codec's package its tests are skipped
  "${pip[@]}" install pytest==9.2.0 pytest-mock pytest-timeout py lz4 zstandard python-snappy crc32c
  # the sdist leaves these two out; without the first, `test` is Python's own package
  touch "$folder/source/test/__init__.py"
  cp "$suites/kafka_python_service.py" "$folder/source/test/service.py"
}

case $1 in
  install)
    need python3 python3 python3-venv
    once suite-kafka-python "$VERSION $(digest "$suites/kafka_python_service.py")" fetch
    ;;
  run)
    cd "$folder/source"
    # KAFKA_ROOT must be a folder, any; a broker that is up is never started from it
    KAFKA_ROOT=$PWD KAFKA_URI=kafka://$BROKER KAFKA_VERSION=$LOOKS_LIKE "$folder/venv/bin/python" -m pytest test/integration -q \
      -W ignore -p no:cacheprovider -rfEs --show-capture=no --tb=short "${LEFT_OUT[@]}" | tee "$folder/said"
    counted "$(sed -nE 's/.*\b([0-9]+) passed.*/\1/p' "$folder/said")" $PASSED
    ;;
esac
