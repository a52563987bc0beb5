#!/usr/bin/env bash
# Holds a running server against its own OpenAPI document: requests drawn from the document, and requests that break it,
# must be answered as it says. Usage: schemathesis.sh POTOK [EXAMPLES]: the program, and requests drawn for each operation.
# Installs schemathesis once, into the user's cache folder. Ends with zero only if nothing was found.
set -euo pipefail

potok=$(realpath "${1:?the potok program}")
examples=${2:-30}
version=4.32.5
venv="${XDG_CACHE_HOME:-$HOME/.cache}/potok/schemathesis-$version"
work=$(mktemp -d)
cd "$work"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; cd /; rm -rf "$work"' EXIT

if [ ! -e "$venv/whole" ]; then
    echo "installing schemathesis $version into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "schemathesis==$version"
    touch "$venv/whole"
fi

"$potok" serve --data "$work/data" --http 127.0.0.1:0 --kafka 127.0.0.1:0 --output json >"$work/started" 2>"$work/log" &
server=$!
for _ in $(seq 100); do
    url=$(sed -n 's/.*"server": *"\([^"]*\)".*/\1/p' "$work/started" | head -1)
    [ -n "$url" ] && break
    kill -0 "$server" || { cat "$work/log"; exit 1; }
    sleep 0.1
done
[ -n "$url" ] || { echo "the server did not say where it listens"; cat "$work/log"; exit 1; }

ask() { curl --silent --show-error --fail --output /dev/null --request "$1" --header 'content-type: application/json' --data "$3" "$url$2"; }
prepare() {
    ask POST /v1/topics '{"name": "orders", "partitions": 3}'
    ask POST /v1/topics/orders/records '[1, "two", {"three": 3}, null]'
    ask PUT /v1/groups/readers/offsets '{"offsets": [{"topic": "orders", "to": "earliest"}]}'
}
run() { # name, config, more arguments
    echo "schemathesis: $1"
    printf '%s\n' "$2" >"$work/schemathesis.toml"
    # what is accepted depends on what is there: which topics, offsets, configs; the document cannot say that
    if ! "$venv/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$url/openapi.json" \
        --max-examples "$examples" --request-timeout 10 --exclude-checks positive_data_acceptance --warnings off \
        --continue-on-failure --no-color --generation-database none "${@:3}" >"$work/out" 2>&1; then
        cat "$work/out"
        tail -50 "$work/log"
        exit 1
    fi
    grep -E 'generated' "$work/out" || true
}

run 'any names' '' --phases examples,coverage,fuzzing
prepare
run 'names of what is there' '[parameters]
topic = "orders"
group = "readers"' --phases coverage,fuzzing --exclude-method DELETE
kill -0 "$server" || { echo "the server has died"; tail -50 "$work/log"; exit 1; }
