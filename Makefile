# `make` lists the commands.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
BINS := ingest append merge erase query
PROGRAMS := hitlake $(BINS)
# What ships is optimised a whole program at a time, which takes minutes for each. To try them the crates
# are optimised one by one (docs/decisions/binaries.md).
APART := CARGO_PROFILE_RELEASE_LTO=off RUSTFLAGS="$(RUSTFLAGS) -C embed-bitcode=yes" RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/rustc

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: ## Build the release program and start `hitlake serve` on 127.0.0.1:8080
	@$(MAKE) --no-print-directory programs PROGRAMS=hitlake
	./target/release/hitlake serve

programs: ## Build the release program and the Lambda binaries to try them, in half the time
	$(APART) $(CARGO) build --release --locked --workspace $(addprefix --bin ,$(PROGRAMS))

release: ## Build the release program and the Lambda binaries for this machine, as they ship
	$(CARGO) build --release --locked

lambdas: ## Build the Lambda binaries and put them under target/lambda/NAME/bootstrap
	$(CARGO) build --release --locked --workspace $(addprefix --bin ,$(BINS))
	@for bin in $(BINS); do mkdir -p target/lambda/$$bin && cp target/release/$$bin target/lambda/$$bin/bootstrap || exit; done
	@ls -l $(foreach bin,$(BINS),target/lambda/$(bin)/bootstrap) | awk '{print $$5, $$9}'

test: ## Install what the tests need and run all of them
	./tests/run

soak: ## The tests, with the long proofs 20 times as long (HITLAKE_SOAK=N for N times)
	HITLAKE_SOAK=$${HITLAKE_SOAK:-20} ./tests/run

bench: release ## Hits a second that serve accepts durably, at 64 connections (needs wrk); cold starts of the Lambdas
	./tests/tools python node
	.venv/bin/python tests/bench/serve.py
	.venv/bin/python tests/bench/cold.py

bench-questions: ## Twelve questions of 10 million hits, beside DuckDB and chDB; writes docs/BENCHMARKS.md
	./tests/tools python
	.venv/bin/python tests/bench/questions.py --write

sam-local: ## Every sample event through its function, by sam local where containers run (after sam build, on x86_64 with --parameter-overrides Architecture=x86_64)
	./tests/tools python node
	test -x $${HITLAKE_PROGRAMS:-target/release}/query || $(MAKE) --no-print-directory release
	.venv/bin/python tests/wire/sam_local.py

cost: ## The tables of docs/COST.md, from tests/bench/counted.json and prices
	python3 tests/bench/cost.py

check: ## Format, clippy with warnings as errors, documentation, dependencies
	$(CARGO) fmt --all --check
	@# What is fetched for the dependencies' check need not wait for the compiler. There are no examples:
	@# asking for them makes Cargo take the features of clippy's build, which is used again.
	./tests/deny & deny=$$!; \
	$(CARGO) clippy --workspace --all-targets --features hitlake-tests/bench --locked -- -D warnings && \
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --lib --examples --features hitlake-tests/bench --locked && \
	wait $$deny

tracker: ## Build tracker/dist/tracker.js
	npm --prefix tracker ci --silent && npm --prefix tracker run --silent build

fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: help run programs release lambdas test soak bench bench-questions sam-local cost check tracker fmt
