# The two commands that matter: `make up` runs everything, `make test` proves it.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up build-deps engine kafka test test-deps truth soak lint bench bench-deps

help:
	@echo "make up         run trueopen: tracker, classifier, loader, reporting API, embedded ClickHouse"
	@echo "make test       install what the tests need (as root) and run all of them"
	@echo "make truth      how often the verdict is wrong, by the labelled corpus; UPDATE_TRUTH=1 publishes it"
	@echo "make soak       kill things for SOAK_SECONDS (180) while hits go on, and look for what is missing or doubled"
	@echo "make lint       format and clippy"
	@echo "make bench      measure against references on this machine (installs nginx and wrk as root); MESSAGES=30000000 for 100 M events"

# The engine's library and the database of autonomous systems, fetched from npm once into a cache folder outside the checkout.
# DATA=dir chooses the data directory.
up: build-deps
	@library=$$(services/embedded/fetch.sh) && cargo build --release --locked -p trueopen && \
	services/classifier/fetch-asn.sh target/release/trueopen >/dev/null && \
	TRUEOPEN_ENGINE__LIBRARY=$$library exec target/release/trueopen up $(if $(DATA),--data-dir $(DATA))

# librdkafka is built from source and links the system's OpenSSL. Only test-deps installs anything; here it is only said.
build-deps:
	@pkg-config --exists openssl 2>/dev/null || { \
	echo "missing: pkg-config and OpenSSL's headers (Debian: apt-get install pkg-config libssl-dev; make test-deps does it as root)" >&2; exit 1; }

engine:
	@services/embedded/fetch.sh >/dev/null

# A broker for tests, fetched from Maven Central once; without it the tests that need one say so and are counted.
kafka:
	@tests/kafka/fetch.sh >/dev/null || [ -z "$$CI" ]

test-deps:
	@pkg-config --exists openssl 2>/dev/null || tests/deps.sh libssl-dev pkg-config
	@tests/deps.sh chromium docker-compose java kcat mvn postfix

# Programs and tests are built in one go: built by themselves, the programs' libraries have other features, and are compiled twice.
test: test-deps build-deps engine kafka
	cargo build --locked --workspace --all-targets
	@services/classifier/fetch-asn.sh target/debug/trueopen >/dev/null
	TRUEOPEN_PROGRAM=$(CURDIR)/target/debug/trueopen cargo test --locked --workspace --no-fail-fast

truth:
	cargo test --locked -p classifier --test truth -- --nocapture --test-threads 1

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# The oracle for as long as asked: SOAK_SECONDS=600 SOAK_SEED=7 make soak
soak: build-deps engine kafka
	SOAK_SECONDS=$${SOAK_SECONDS:-180} cargo test --locked -p acceptance --test stages oracle -- --nocapture

bench-deps:
	@tests/deps.sh nginx wrk

bench: bench-deps engine
	tests/bench/run.sh
	tests/bench/stages.sh
	tests/bench/reports/run.sh
