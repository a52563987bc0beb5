# Sourced by run.sh: a program while its broker is killed -9 again and again, and started anew on what it left.
#   under_kills KILLS COMMAND…     the program has to work so long that every kill comes while it does

under_kills() {
  local kills=$1 program killed=0
  shift
  "$@" &
  program=$!
  while [ $killed -lt "$kills" ]; do
    # between two kills it gets to work, for not always the same time
    sleep "$((2 + RANDOM % 3)).$((RANDOM % 10))"
    kill -0 $program 2>/dev/null || break
    kill -9 "$broker_pid"
    wait "$broker_pid" 2>/dev/null
    killed=$((killed + 1))
    broker_resume || { kill $program; echo "the broker did not start after kill $killed"; cat "$broker_folder"/*.log; return 1; }
  done
  wait $program || return
  echo "killed $killed times"
  [ $killed -ge "$kills" ] || { echo "the program ended after $killed kills of $kills: give it more to do"; return 1; }
}
