# What a person does here. `make` alone lists it. Nothing outside of target/ and the cache folder is written
# (${XDG_CACHE_HOME:-~/.cache}/mcp-gateway, or MCP_GATEWAY_CACHE), but for Debian's redis-tools where Redis is missing.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help demo test bench bench-calls bench-micro bench-scale local-env-setup local-env-teardown inspect-gateway fmt lint doc deny

FETCH := tests/setup/fetch
# The gateway that `make inspect-gateway` opens: the one of `make demo`.
GATEWAY_URL ?= http://127.0.0.1:8001/mcp
# Where the local environment runs: empty (processes of this machine) or kind.
LOCAL_ENV ?=

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Runs Envoy, the gateway, two MCP servers and a client; DEMO_ONCE=1 ends after the calls
	@settings=$$($(FETCH) --env envoy python); eval "$$settings"
	if settings=$$($(FETCH) --env node everything); then eval "$$settings"
	else echo "no Node.js, or no server-everything (see above): going on with Python servers alone" >&2; unset NODE_BIN EVERYTHING_JS; fi
	echo "building the gateway (a first build takes some minutes) ..." >&2
	cargo build --locked
	exec target/debug/mcp-gateway demo

test: ## Runs the whole suite, real Envoy included; fetches what it needs
	@settings=$$($(FETCH) --env suite); eval "$$settings"
	cargo test --locked

bench: bench-micro bench-calls bench-scale ## Measures everything; BENCH_RESULTS=write puts it into benches/RESULTS.md

bench-micro: ## Measures the pure core: time, allocations, instructions
	cargo bench --locked --bench micro --bench instructions

bench-calls: ## Measures calls through real Envoy, beside a processor that does nothing: about 20 minutes
	@settings=$$($(FETCH) --env bench); eval "$$settings"
	cargo build --locked --release --bin mcp-gateway --example no_op
	cargo bench --locked --bench calls

bench-scale: ## Measures many servers, tools, sessions and streams
	@settings=$$($(FETCH) --env bench); eval "$$settings"
	cargo bench --locked --bench scale

local-env-setup: ## Runs a cluster with the gateway on this machine, without containers; LOCAL_ENV=kind: in kind
	@if [ "$(LOCAL_ENV)" = kind ]; then exec deploy/local-env/kind/setup; fi
	settings=$$($(FETCH) --env cluster); eval "$$settings"
	echo "building the gateway (a first build takes some minutes) ..." >&2
	cargo build --locked
	exec deploy/local-env/setup

local-env-teardown: ## Removes that cluster
	@if [ "$(LOCAL_ENV)" = kind ]; then exec deploy/local-env/kind/teardown; fi
	exec deploy/local-env/teardown

inspect-gateway: ## Opens MCP Inspector on the running gateway (GATEWAY_URL)
	@settings=$$($(FETCH) --env node inspector); eval "$$settings"
	export MCP_INSPECTOR_SECRET_STORE=memory PATH="$$(dirname "$$NODE_BIN"):$$PATH"
	echo "opening MCP Inspector on $(GATEWAY_URL); it ends with Ctrl-C" >&2
	exec "$$NODE_BIN" "$$INSPECTOR_JS" --web --transport http --server-url "$(GATEWAY_URL)"

fmt: ## Formats the code
	cargo fmt

lint: ## Checks format and lints
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

doc: ## Builds the documentation; a broken link fails
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

deny: ## Checks licences, bans, sources, and advisories where their database can be reached
	@.ci/deny

.ONESHELL:
