#!/usr/bin/env bash
# Runs clients that others wrote against a broker of its own. One line for each: `ok` or `FAILED`, and its seconds; what a failed one
# said comes after it.
#   run.sh [NAME…]     without names: all but the long ones; `long`: the long ones
# BROKER_KIND=potok|kafka   which broker; BROKER=host:port   one that is up already   JOBS=2   round trips at the same time
source "$(dirname "$0")/lib.sh"
source "$here/broker.sh"
source "$here/kafka/broker-kills.sh"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}

# name by name: what each is, in the order of what it costs
ROUND_TRIPS=(kcat confluent-kafka kafka-python aiokafka franz-go sarama kafka-go kafkajs platformatic confluent-js java)
OTHERS=(matrix suite-kafka-python tools streams connect differential)
# long: minutes of building or of killing
LONG=(suite-rdkafka suite-rskafka copier copier-broker-kills)
# the round trips that speak the newer group protocol too
NEWER_GROUPS=" java confluent-kafka platformatic confluent-js "

round_trip() {
  "$here/start.sh" "$1" || return
  [[ $NEWER_GROUPS != *" $1 "* ]] || GROUP_PROTOCOL=consumer "$here/start.sh" "$1" group
}

client() { # NAME: what it does
  case $1 in
    matrix) "$here/matrix.py" ;;
    suite-*) "$here/suites/${1#suite-}.sh" run ;;
    tools) "$here/kafka/tools.py" ;;
    copier) "$here/kafka/copier.py" ;;
    copier-broker-kills) COPIER_KILLS=0 COPIER_RECORDS=${COPIER_RECORDS:-100000} under_kills "${BROKER_KILLS:-8}" "$here/kafka/copier.py" ;;
    streams) "$here/kafka/streams.py" ;;
    connect) "$here/kafka/connect.py" ;;
    differential) "$here/differential/run.sh" ;;
    *) round_trip "$1" ;;
  esac
}

judge() { # NAME: one line; 1 when it failed
  local start=$SECONDS log=$work/$1.log
  if client "$1" >"$log" 2>&1; then
    printf '%-20s ok     %4d s\n' "$1" $((SECONDS - start))
  else
    printf '%-20s FAILED %4d s, %s\n' "$1" $((SECONDS - start)) "$log"
    tail -n "${LINES_SHOWN:-40}" "$log" | sed 's/^/    /'
    return 1
  fi
}

# Settings of the broker that a suite wants for itself.
settings_of() {
  case $1 in
    suite-rskafka) echo auto_create=false ;; # test_non_existing_partition
    suite-rdkafka) echo port=9092 ;;         # three tests name it
  esac
}

# A broker of its own beside the others' one, in a shell of its own.
judge_apart() ( # NAME SETTING
  trap broker_stop EXIT
  broker_folder= broker_pid=
  broker_start "$2" && judge "$1"
)

names=("$@")
[ $# -gt 0 ] || names=("${ROUND_TRIPS[@]}" "${OTHERS[@]}")
[ "${names[*]}" != long ] || names=("${LONG[@]}")
given=${BROKER:-}
failed=0 running=0
trap broker_stop EXIT
"$here/install.sh" "${names[@]}"
[ -n "$given" ] || broker_start

# Round trips mostly wait, so some run at a time; the others one by one.
others=()
for name in "${names[@]}"; do
  [[ " ${ROUND_TRIPS[*]} " == *" $name "* ]] || { others+=("$name"); continue; }
  [ $running -lt "${JOBS:-2}" ] || { wait -n || failed=1; running=$((running - 1)); }
  judge "$name" &
  running=$((running + 1))
done
for ((; running > 0; running--)); do wait -n || failed=1; done
for name in "${others[@]}"; do
  settings=$(settings_of "$name")
  if [ -n "$settings" ] && [ -z "$given" ]; then judge_apart "$name" "$settings"; else judge "$name"; fi || failed=1
done
exit $failed
