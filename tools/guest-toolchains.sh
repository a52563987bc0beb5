# Sourced, never run: which toolchains guests in other languages are built with, and where setup.sh puts them.
# One place, so that set-up and builds cannot disagree. Needs $cache.

# Stock Go builds components since 1.25.
GO_VERSION=1.26.8
GO_MINOR_MIN=25
GO_HOME=$cache/tools/go-$GO_VERSION

QJS_VERSION=0.4.5
JS_HOME=$cache/tools/componentize-qjs

PY_VERSION=0.25.1
PY_HOME=$cache/tools/componentize-py

go_is_new_enough() { # GO
  [ -n "$1" ] || return 1
  local minor
  minor=$("$1" env GOVERSION 2>/dev/null | sed -nE 's/^go1\.([0-9]+).*/\1/p')
  [ -n "$minor" ] && [ "$minor" -ge "$GO_MINOR_MIN" ]
}

# The Go to build with: the machine's own where it is new enough.
go_program() {
  local own
  own=$(command -v go || true)
  if go_is_new_enough "$own"; then echo "$own"; else echo "$GO_HOME/bin/go"; fi
}
