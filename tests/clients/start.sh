#!/usr/bin/env bash
# Starts the round-trip program of one client; BROKER is host:port.
#   start.sh NAME [write TOPIC CODEC TIME | read TOPIC TIME… | group]      without a command: everything on new topics
source "$(dirname "$0")/lib.sh"
name=$1
shift
case $name in
  kcat) exec python3 "$here/kcat/roundtrip.py" "$@" ;;
  confluent-kafka | kafka-python | aiokafka) exec "$work/python/bin/python" "$here/python/$name/roundtrip.py" "$@" ;;
  franz-go | sarama | kafka-go) exec "$work/go/$name" "$@" ;;
  # the newest Node is a package of npm; kafkajs compresses with zstd only there
  kafkajs | platformatic) exec "$work/js/platformatic/node_modules/node/bin/node" "$work/js/$name/roundtrip.mjs" "$@" ;;
  confluent-js) exec node "$work/js/confluent/roundtrip.mjs" "$@" ;;
  java) exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.level=OFF -cp "$work/java:$PEER/lib/*" Roundtrip "$@" ;;
  *) say "no round trip is called $name"; exit 2 ;;
esac
