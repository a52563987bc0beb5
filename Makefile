# Potok's commands. Each installs what it lacks first (tools/setup.sh), says so, and does nothing twice.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := $(HOME)/.local/bin
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/potok

# One target folder outside the checkout, so that a fresh clone finds RocksDB and Wasmtime compiled.
export CARGO_TARGET_DIR ?= $(CACHE)/target

# Workspaces of their own, each with a target folder: what is built for WebAssembly, or to be fuzzed.
SDK_WORKSPACES := sdk/rust:$(CACHE)/guest-target guest-examples:$(CACHE)/guest-target
OTHER_WORKSPACES := $(SDK_WORKSPACES) guests-in-five:$(CACHE)/guests-in-five/target fuzz:$(CACHE)/fuzz/target
# $(call each,WORKSPACES,COMMAND) runs the command in each of them
each = for pair in $(1); do (cd $${pair%%:*} && CARGO_TARGET_DIR=$${pair\#*:} $(2)); done

# $(call building,WHAT) says what is built, and how long that takes where nothing has been
building = @if [ -x $(CARGO_TARGET_DIR)/release/potok ]; then echo "building $(1)"; \
  else echo "building $(1); the first time with RocksDB and Wasmtime: about half an hour on two cores, then seconds"; fi

# One profile for everything: another would compile every dependency once more.
LOCKED := $(if $(CI),--locked)
CARGO_FLAGS := --release $(LOCKED)

.PHONY: help run demo test soak crash clients clients-long client-broker bench bench-kafka guests guests-rust docs fmt lint install setup

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: guests-rust ## start the host with four processors on real flights, and stay up
	$(call building,potok and its demonstration)
	cargo build $(CARGO_FLAGS) -p potok -p potok-demo
	$(CARGO_TARGET_DIR)/release/potok-demo run

demo: guests-rust ## the same, every count checked against an independent computation; then end
	$(call building,potok and its demonstration)
	cargo build $(CARGO_FLAGS) -p potok -p potok-demo
	$(CARGO_TARGET_DIR)/release/potok-demo check

test: guests ## every test, with guests in five languages
	$(call each,$(SDK_WORKSPACES),cargo test $(LOCKED) --workspace --all-features --no-fail-fast)
	ulimit -S -n "$$(ulimit -H -n)"; cargo test $(CARGO_FLAGS) --workspace --no-fail-fast

soak: guests ## the long tests: 100,000 calls of every guest
	POTOK_SOAK_CALLS=100000 cargo test $(CARGO_FLAGS) -p potok-tests --test all -- --nocapture five_languages

crash: guests-rust ## kill the process again and again under load: POTOK_CRASH_KILLS, 300 unless set
	POTOK_CRASH_KILLS=$${POTOK_CRASH_KILLS:-300} cargo test $(CARGO_FLAGS) -p potok-tests --test all -- --nocapture crash

# BROKER_KIND=kafka runs them on a real Kafka, to compare with
clients: client-broker ## clients that others wrote, on Potok: all but the long ones, or CLIENTS="java kcat", or clients-java
	tests/clients/run.sh $(CLIENTS)

clients-long: client-broker ## those that are built or run for many minutes
	tests/clients/run.sh long

clients-%: client-broker
	tests/clients/run.sh $*

client-broker:
	@tools/setup.sh python
	$(if $(filter kafka,$(BROKER_KIND)),,cargo build $(CARGO_FLAGS) -p potok)

bench: guests ## the numbers of bench/RESULTS.md
	bench/run.sh

bench-kafka: ## the same clients on Potok and on a real Kafka, in turn: ratios
	@tools/setup.sh python
	bench/kafka.sh

guests: ## build every guest, in every language
	@tools/setup.sh guests
	tools/build-guests.sh
	tools/build-guests-in-five.sh

guests-rust:
	@tools/setup.sh
	tools/build-guests.sh

docs: ## the Rust documentation, warnings denied
	@tools/setup.sh
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --workspace --no-deps --document-private-items

fmt: ## format everything (CHECK=--check: only say what would change)
	@tools/setup.sh
	cargo fmt --all $(CHECK)
	$(call each,$(OTHER_WORKSPACES),cargo fmt --all $(CHECK))

lint: ## clippy on everything, warnings denied
	@tools/setup.sh
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	$(call each,$(OTHER_WORKSPACES),cargo clippy $(LOCKED) --workspace --all-features --all-targets -- -D warnings)

install: ## put potok into ~/.local/bin
	@tools/setup.sh
	$(call building,potok)
	cargo build $(CARGO_FLAGS) -p potok
	install -D -m 755 $(CARGO_TARGET_DIR)/release/potok $(BIN)/potok
	@echo "potok is in $(BIN); try: potok --help"
	@case ":$$PATH:" in *":$(BIN):"*) ;; *) \
	  echo "$(BIN) is not on your path; for this terminal, and in ~/.profile for all: export PATH=\"$(BIN):\$$PATH\"" ;; esac

setup: ## install what is missing on this machine, for every guest language too
	@tools/setup.sh guests
