# Potok's commands. Each installs what it lacks first (tools/setup.sh), says so, and does nothing twice.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# One target folder outside the checkout, so that a fresh clone finds RocksDB and Wasmtime compiled.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/potok/target

# One profile for everything: another would compile every dependency once more.
CARGO_FLAGS := --release $(if $(CI),--locked)

.PHONY: help run demo test soak bench guests docs fmt lint setup guests-rust

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: guests-rust ## start the host with three processors on real flights, and stay up
	cargo run $(CARGO_FLAGS) -p potok-demo -- run

demo: guests-rust ## the same, every count checked against an independent computation; then end
	cargo run $(CARGO_FLAGS) -p potok-demo -- check

test: guests ## every test, with guests in five languages
	cargo test $(CARGO_FLAGS) --workspace --no-fail-fast

soak: guests ## the long tests: 100,000 calls of every guest
	POTOK_SOAK_CALLS=100000 cargo test $(CARGO_FLAGS) -p potok-tests --test all -- --nocapture five_languages

bench: guests ## the numbers of bench/RESULTS.md
	bench/run.sh

guests: ## build every guest, in every language
	@tools/setup.sh guests
	tools/build-guests.sh
	tools/build-guests-in-five.sh

guests-rust:
	@tools/setup.sh
	tools/build-guests.sh

docs: ## the Rust documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --workspace --no-deps --document-private-items

fmt: ## format everything
	cargo fmt --all

lint: ## clippy on everything, warnings denied
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

setup: ## install what is missing on this machine, for every guest language too
	@tools/setup.sh guests
