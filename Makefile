# How many tests run at once. Stories mostly wait, so two cores bear eight.
TEST_THREADS ?= 8
# Where `make control-plane` leaves its kubeconfig.
CONTROL_PLANE ?= .cache/control-plane

CARGO := cargo
TESTBED := target/debug/dws-testbed

.DEFAULT_GOAL := help
.PHONY: help demo tools build control-plane test lint fmt

help: ## Lists the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Shows the main job on a real control plane and a simulated cloud; KEEP=1 leaves it up.
	@tools/check
	@KEEP="$(KEEP)" tools/demo

tools: ## Builds the pinned etcd and Kubernetes programs into .cache/bin: five minutes cold, nothing when they are there.
	@tools/check
	@test -n "$(KUBEBUILDER_ASSETS)" || tools/build

build: ## Builds the debug programs into target/debug, where the tests look for them.
	@tools/check
	$(CARGO) build --workspace

control-plane: tools ## Runs a control plane in the foreground, CRDs installed, to try things out with kubectl.
	$(CARGO) build -p dws-testbed
	$(TESTBED) control-plane --dir $(CONTROL_PLANE)

test: tools lint build ## Runs everything a change must pass: format, lints, unit tests, and stories on a real control plane.
	$(TESTBED) run -- $(CARGO) test --workspace -- --test-threads=$(TEST_THREADS)

lint: ## Checks format and lints, warnings included.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## Formats the code.
	$(CARGO) fmt --all
