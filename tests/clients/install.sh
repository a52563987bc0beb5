#!/usr/bin/env bash
# Installs what clients need and this machine lacks, below the cache folder; looks first, does nothing twice.
#   install.sh NAME…      names as run.sh has them
source "$(dirname "$0")/lib.sh"

install_python() {
  need python3 python3 python3-venv
  once python "$(digest "$here"/python/*/requirements.txt)" python_packages
}

python_packages() {
  [ -x "$work/python/bin/pip" ] || python3 -m venv "$work/python"
  local wanted=("$here"/python/*/requirements.txt)
  "$work/python/bin/pip" install -q --disable-pip-version-check "${wanted[@]/#/-r}"
}

install_go() {
  "$repository/tools/setup.sh" guests # brings a Go that is new enough; Debian 12 has 1.19
  once go "$(digest "$here"/go/go.mod "$here"/go/*/*.go)" go_programs
}

go_programs() { (cd "$here/go" && "$(go_program)" build -o "$work/go/" ./...); }

# Node resolves packages from where a program lies, so the programs are copied to where packages may be installed.
install_js() { # CLIENT
  need npm nodejs npm
  once "js-$1" "$(digest "$here"/js/records.mjs "$here/js/$1"/*)" js_packages "$1"
}

js_packages() {
  mkdir -p "$work/js/$1"
  cp "$here/js/records.mjs" "$work/js/"
  cp "$here/js/$1"/* "$work/js/$1/"
  local flags=(--no-audit --no-fund --loglevel=error --prefix "$work/js/$1")
  if [ "$1" = confluent ]; then confluent_js "${flags[@]}"; else npm install "${flags[@]}"; fi
}

# Its ready binary is downloaded from no registry, so it is built here against Debian's libraries.
confluent_js() {
  dpkg -s libssl-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev >/dev/null 2>&1 ||
    packages libssl-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev
  [ -e /usr/include/node/node.h ] || packages libnode-dev
  need make make
  need g++ g++
  npm install --ignore-scripts "$@"
  cd "$work/js/confluent/node_modules/@confluentinc/kafka-javascript"
  export CKJS_LINKING=dynamic JOBS=2 npm_config_nodedir=/usr
  local build=(npx node-pre-gyp install --build-from-source=@confluentinc/kafka-javascript)
  # its first attempt may stop before librdkafka's configuration is written
  "${build[@]}" || { make -j2 -C deps/librdkafka libs && "${build[@]}"; }
}

install_java() {
  "$repository/bench/kafka/peer.sh" setup
  once java "$(digest "$here"/java/*.java "$PEER/lib/.complete")" java_programs
}

java_programs() { mkdir -p "$work/java" && javac -cp "$PEER/lib/*" -d "$work/java" "$here"/java/*.java; }

for name in "$@"; do
  case $name in
    kcat) need kcat kcat; need python3 python3 ;;
    confluent-kafka | kafka-python | aiokafka) install_python ;;
    franz-go | sarama | kafka-go) install_go ;;
    kafkajs) install_js kafkajs; install_js platformatic ;; # for its Node
    platformatic) install_js platformatic ;;
    confluent-js) install_js confluent ;;
    java | tools | copier | copier-broker-kills | streams | connect | differential) install_java ;;
    suite-*) "$here/suites/${name#suite-}.sh" install ;;
    matrix) "$0" kcat confluent-kafka franz-go kafkajs confluent-js java ;;
    *) say "no client is called $name"; exit 2 ;;
  esac
done
