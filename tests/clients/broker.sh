# Sourced: one broker for clients, on a free port of 127.0.0.1. BROKER_KIND is potok (the release binary) or kafka (a real one, to
# compare with). What it writes lies in a temporary folder; only what was started here is stopped.
#   broker_start [SETTING…]      sets BROKER; a setting is auto_create=false or port=9092
#   broker_halt, broker_resume   the same broker stops, and goes on with its data
#   broker_stop

broker_folder= broker_pid=

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

broker_start() {
  local auto_create=true port= setting
  for setting in "$@"; do local "${setting?}"; done
  broker_folder=$(mktemp -d "${TMPDIR:-/tmp}/potok-clients.XXXXXX")
  port=${port:-$(free_port)}
  export BROKER=127.0.0.1:$port
  "broker_start_${BROKER_KIND:-potok}" || { cat "$broker_folder"/*.log >&2; return 1; }
}

# Sessions of a second and groups without delay only save time; records of 1970 outlive retention.
broker_start_kafka() {
  local failed=0
  PEER_RUN=$broker_folder KAFKA_PORT=$port KAFKA_EXTRA="auto.create.topics.enable=$auto_create
num.partitions=3
log.retention.ms=-1
group.min.session.timeout.ms=1000
socket.listen.backlog.size=1024
group.initial.rebalance.delay.ms=0
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1" "$repository/bench/kafka/peer.sh" start >/dev/null || failed=1
  broker_pid=$(cat "$broker_folder/pid")
  return $failed
}

broker_start_potok() {
  export POTOK_KAFKA__AUTO_CREATE_TOPICS=$auto_create POTOK_KAFKA__PARTITIONS_DEFAULT=3 POTOK_LOG__RETENTION_MS=0
  broker_resume_potok
}

broker_resume_potok() {
  "$CARGO_TARGET_DIR/release/potok" serve --data "$broker_folder/data" --http 127.0.0.1:0 --kafka "$BROKER" >>"$broker_folder/server.log" 2>&1 &
  broker_pid=$!
  for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/${BROKER##*:}") 2>/dev/null && return
    kill -0 "$broker_pid" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

broker_resume_kafka() {
  PEER_RUN=$broker_folder "$repository/bench/kafka/peer.sh" resume >/dev/null
  broker_pid=$(cat "$broker_folder/pid")
}

broker_resume() { "broker_resume_${BROKER_KIND:-potok}"; }

broker_halt() {
  kill "$broker_pid" 2>/dev/null || true
  for _ in $(seq 200); do kill -0 "$broker_pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$broker_pid" 2>/dev/null || true
  wait "$broker_pid" 2>/dev/null || true
}

broker_stop() {
  [ -n "$broker_folder" ] || return 0
  [ -z "$broker_pid" ] || broker_halt
  rm -rf "$broker_folder"
  broker_folder= broker_pid=
}
