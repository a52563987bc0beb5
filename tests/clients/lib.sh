# Sourced by the scripts beside it: where things are, and how something is done once.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/potok
# whatever is fetched or built for the clients; may be deleted at any time
work=${CLIENTS_WORK:-$cache/clients}
export RECORDS=$here/records.txt
export PEER=${PEER:-$cache/kafka-peer}
mkdir -p "$work/done"
source "$repository/tools/guest-toolchains.sh"

say() { echo "clients: $*" >&2; }

# once NAME KEY COMMAND…: runs the command unless it ended well with this key before; quiet unless it fails.
once() {
  local name=$1 key=$2 log=$work/done/$1.log
  shift 2
  [ "$(cat "$work/done/$name" 2>/dev/null)" = "$key" ] && return 0
  say "installing $name"
  "$@" >"$log" 2>&1 || { tail -40 "$log" >&2; say "$name could not be installed: $*"; return 1; }
  echo "$key" >"$work/done/$name"
}

# the content of files as one word
digest() { cat "$@" | sha256sum | cut -c1-16; }

# need COMMAND PACKAGE…: installs Debian packages unless the command is there.
need() {
  command -v "$1" >/dev/null && return 0
  shift
  packages "$@"
}

packages() {
  say "installing system packages: $*"
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
