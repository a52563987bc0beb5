#!/usr/bin/env bash
# The same requests to a real Kafka and to BROKER, answers compared by code and shape.
source "$(dirname "$0")/../lib.sh"
reference=$(mktemp -d "${TMPDIR:-/tmp}/potok-reference.XXXXXX")
export PEER_RUN=$reference
trap '"$repository/bench/kafka/peer.sh" stop; rm -rf "$reference"' EXIT
address=$(KAFKA_EXTRA="auto.create.topics.enable=true
num.partitions=3
group.min.session.timeout.ms=1000
log.retention.ms=-1" "$repository/bench/kafka/peer.sh" start)
java -XX:TieredStopAtLevel=1 -Dlog4j2.level=OFF -cp "$work/java:$PEER/lib/*" Differential "$here/differential/requests.json" "$here/differential/known.tsv" "$address" "$BROKER"
