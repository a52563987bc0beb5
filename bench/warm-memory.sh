#!/usr/bin/env bash
# Fills the system's cache of files, as it is on a machine that has been up for a day, by reading a sparse file (it takes no disk).
#   warm-memory.sh FILE      creates FILE where it is not there; the caller deletes it when it has measured
# A virtual machine takes unused memory back from its guest: there the first touch of a page costs 12 us, forty times what writing it
# costs afterwards, and whoever writes files first would be measured by that. Called before each broker, each finds the same.
set -euo pipefail
file=$1
mebibytes() { awk -v name="$1:" '$1 == name { print int($2 / 1024) }' /proc/meminfo; }
[ -e "$file" ] || truncate -s "$(($(mebibytes MemAvailable) * 9 / 10))M" "$file"
# more free memory than this is touched anew by a run
[ "$(mebibytes MemFree)" -lt 1024 ] || dd if="$file" of=/dev/null bs=1M status=none
