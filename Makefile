# Thin lines: each says what it does and how far it is. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help up down status test check fmt lint generate crds bench soak

CARGO ?= cargo
DEV := $(CARGO) run --quiet -p qipan-tests --bin dev --

help: ## List these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

up: ## Run the sample province on this machine: hub, three members, operator, portal (first time ~10 min of building; OIDC=1 adds Keycloak)
	$(DEV) up $(if $(OIDC),--oidc)

down: ## Stop what `make up` started; its data stays (`make down WIPE=1` removes it)
	$(DEV) down $(if $(WIPE),--wipe)

status: ## Say what of it runs, and where
	$(DEV) status

test: ## Every test, on real control planes too (builds them first: ~5 min, once)
	$(DEV) tools
	.ci/sum $(CARGO) test --workspace --no-fail-fast

check: ## What takes no control plane: format, lints, unit tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	.ci/sum $(CARGO) test --workspace --lib --bins --no-fail-fast

fmt: ## Format the Rust and the Go
	$(CARGO) fmt --all
	gofmt -w tests/testbed

lint: ## Lints alone
	$(CARGO) clippy --workspace --all-targets -- -D warnings

generate: ## Write the generated files: CRDs, roles, policies of the chart and of the members' manifest
	$(DEV) generate

crds: ## Write the CRDs alone
	$(CARGO) run --quiet -p qipan-crds --bin crdgen -- charts/qipan/crds

bench: ## Measure the figures of the design: the operator's beside the direct write, the portal's pages (~40 min; ARGS=--quick for a first look)
	$(CARGO) run --release -p qipan-tests --bin bench -- $(ARGS) $(OPERATOR_ARGS)
	$(CARGO) bench -p qipan-tests --bench portal -- $(ARGS) $(PORTAL_ARGS)

soak: ## Ten quiet minutes, a change, a hundred kills (~30 min)
	$(CARGO) run --release -p qipan-tests --bin soak -- $(ARGS)
