#!/usr/bin/env bash
# One Kafka node and Kafka Streams as the peer of a benchmark. What it fetches lies in $PEER (a folder in the user's cache), what the
# node writes in $PEER_RUN, which is the same unless set. KAFKA_PORT: the port instead of a free one; KAFKA_EXTRA: more of its settings.
#   peer.sh setup            jars from Maven Central, classes compiled; does nothing twice
#   peer.sh start            a fresh node on a free port of 127.0.0.1; prints host:port
#   peer.sh resume           the node that was stopped by a signal, on its data and port
#   peer.sh streams ARGS…    StreamsPeer against the node that `start` started
#   peer.sh stop             stops that node, by its process id
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PEER=${PEER:-${XDG_CACHE_HOME:-$HOME/.cache}/potok/kafka-peer}
RUN=${PEER_RUN:-$PEER}
mkdir -p "$PEER" "$RUN"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

setup() {
  command -v mvn >/dev/null && command -v javac >/dev/null || {
    echo "peer: installing maven and a JDK" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends maven default-jdk-headless >/dev/null
  }
  local wanted
  wanted=$(sha256sum < "$here/pom.xml")
  [ "$(cat "$PEER/lib/.complete" 2>/dev/null)" = "$wanted" ] || {
    echo "peer: fetching Kafka's jars" >&2
    rm -rf "$PEER/lib"
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PEER/lib"
    echo "$wanted" >"$PEER/lib/.complete"
  }
  mkdir -p "$PEER/classes"
  local source
  for source in "$here"/*.java; do
    [ "$PEER/classes/$(basename "$source" .java).class" -nt "$source" ] || javac -cp "$PEER/lib/*" -d "$PEER/classes" "$source"
  done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start() {
  [ ! -e "$RUN/pid" ] || stop
  rm -rf "$RUN/data" "$RUN/server.log"
  local port controller
  port=${KAFKA_PORT:-$(free_port)}; controller=$(free_port)
  cat >"$RUN/server.properties" <<P
process.roles=broker,controller
node.id=0
controller.quorum.voters=0@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
log.dirs=$RUN/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
${KAFKA_EXTRA:-}
P
  local quiet="-Dlog4j2.level=ERROR" id
  id=$(java $quiet -cp "$PEER/lib/*" kafka.tools.StorageTool random-uuid 2>/dev/null)
  java $quiet -cp "$PEER/lib/*" kafka.tools.StorageTool format -t "$id" -c "$RUN/server.properties" >/dev/null 2>&1
  echo "127.0.0.1:$port" >"$RUN/address"
  run
}

run() {
  local quiet="-Dlog4j2.level=ERROR" port
  port=$(sed 's/.*://' "$RUN/address")
  # the options that Kafka's own start script gives
  setsid nohup java -Xmx1g -Xms1g -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
    -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true $quiet -cp "$PEER/lib/*" kafka.Kafka "$RUN/server.properties" \
    >>"$RUN/server.log" 2>&1 </dev/null &
  echo $! >"$RUN/pid"
  for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && { cat "$RUN/address"; return; }
    sleep 0.1
  done
  echo "peer: Kafka did not start, see $RUN/server.log" >&2
  return 1
}

stop() {
  [ -e "$RUN/pid" ] || return 0
  kill "$(cat "$RUN/pid")" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$(cat "$RUN/pid")" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$(cat "$RUN/pid")" 2>/dev/null || true
  rm -rf "$RUN/pid" "$RUN/data"
}

case "${1:-}" in
  setup) setup ;;
  start) setup; start ;;
  resume) run ;;
  streams) shift; java -Xmx2g -Dlog4j2.level=ERROR -cp "$PEER/classes:$PEER/lib/*" StreamsPeer "$(cat "$RUN/address")" "$@" ;;
  stop) stop ;;
  *) sed -n '2,9p' "$0"; exit 2 ;;
esac
