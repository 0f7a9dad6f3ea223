# Two commands are enough: `make demo` and `make test`. Both install what they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# Some images set it: then each of a thousand processes compiles anew what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## what there is to run
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(VENV)/.installed ## the virtual environment, with everything pinned

.PHONY: demo
demo: setup ## the main job on real input: train, lock, render, check, diff
	@$(BIN)/python tools/demo.py

.PHONY: test
test: ## everything that CI checks: lint, types, contracts, generated files, all tests
	@$(MAKE) --no-print-directory --jobs=2 lint tools
	@# Programs written in Go are started hundreds of times, and collect garbage for a fifth of their CPU.
	@# Three workers for two cores: the one with the cluster waits for a third of its time.
	@GOGC=400 $(BIN)/python -m pytest -n3 --no-loadscope-reorder $(PYTEST)

.PHONY: test-fresh
test-fresh: ## make test as on a machine that has never run it, without its caches; as root
	@$(PYTHON) -m tools.fresh make test

# The virtual environment takes as long as Debian's packages, and neither needs the other.
.PHONY: programs
programs:
	@$(PYTHON) -m tools.install

.PHONY: tools
tools: setup programs ## what tests run beside Python, built once: programs, both images, a cluster's nodes
	@$(BIN)/python -m tools.images >/dev/null || echo "the images cannot be built here: tests that need them are skipped"
	@$(BIN)/python -m tools.cluster prepare || echo "there can be no cluster here: tests that need one are skipped"

.PHONY: lint
lint: setup ## lint, spelling, links, types, import contracts, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell $$(git ls-files)
	@$(BIN)/shellcheck .ci/run $$(git ls-files '*.sh')
	@$(BIN)/yamllint --strict $$(git ls-files '*.yaml')
	@$(BIN)/python tools/links.py
	@$(BIN)/mypy
	@# From a folder that is no root of packages: serving_image/tests would be called `tests` too.
	@cd tests && MYPYPATH=..:../modules ../$(BIN)/mypy --config-file ../pyproject.toml --cache-dir ~/.cache/servestack/mypy-server ../serving_image/tests
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m tools.docs --check
	@$(BIN)/python -m tools.dashboards --check
	@$(BIN)/python -m tools.forms --check
	@$(BIN)/python -m tools.stock_image --check
	@$(BIN)/python tools/schemas/bundle.py --check
	@$(BIN)/python tools/secrets/bundle.py --check

.PHONY: unit
unit: setup ## the tests that need nothing but Python
	@$(BIN)/python -m pytest tests/unit tests/parity $(PYTEST)

.PHONY: generate
generate: setup ## write what is generated and committed: docs, dashboards, schemas, rendered
	@$(BIN)/python -m tools.docs
	@$(BIN)/python -m tools.dashboards
	@$(BIN)/python -m tools.forms
	@$(BIN)/python -m tools.stock_image
	@$(BIN)/python tools/schemas/bundle.py
	@$(BIN)/python tools/secrets/bundle.py
	@for project in . examples/*/; do if test -d $$project/stacks; then $(BIN)/servestack render -C $$project; fi; done

.PHONY: pictures
pictures: setup ## the pictures of docs/operations/dashboards.md, from servers that run for some minutes
	@$(BIN)/python -m tests.dashboards.pictures $(if $(MINUTES),--minutes=$(MINUTES))

.PHONY: docs
docs: setup ## the documentation site, into site/; fails on a dead link
	@$(BIN)/zensical build --strict --clean
	@$(BIN)/python -m tools.site site

.PHONY: docs-serve
docs-serve: setup ## the documentation site on 127.0.0.1, built again at each change
	@$(BIN)/zensical serve --dev-addr 127.0.0.1:$(or $(PORT),8000)

.PHONY: parity
parity: setup ## the server's answers beside mlflow.pyfunc's: all models, or those with MODEL in their name
	@$(BIN)/python -m serving_image.tests.parity $(MODEL)

.PHONY: bench-render
bench-render: setup ## servestack render beside kustomize, Helm and cdk8s, as ratios from one run
	@$(BIN)/python -m tests.performance.bench_render $(MODELS)

.PHONY: bench-serving
bench-serving: setup ## the model server beside its peers, as ratios from one run
	@$(BIN)/python -m tests.performance.bench_serving $(if $(SECONDS),--seconds=$(SECONDS)) $(if $(PEERS),--peers=$(PEERS)) $(if $(JSON),--json=$(JSON))

.PHONY: bench-plain
bench-plain: setup ## what the code would cost where it is not the plainest, as ratios from one run
	@$(BIN)/python -m tests.performance.bench_plain

.PHONY: bench-estimators
bench-estimators: setup ## one call of common estimators beside the bare call and mlflow.pyfunc; MODEL as in parity
	@$(BIN)/python -m tests.performance.bench_estimators $(MODEL)

.PHONY: bench-drift
bench-drift: setup ## the watch for drift: false alarms, found shifts, cost of counting
	@$(BIN)/python -m tests.performance.bench_drift $(if $(WINDOWS),--windows=$(WINDOWS)) $(if $(ROUNDS),--rounds=$(ROUNDS))

.PHONY: bench-door
bench-door: setup ## a thousand callers without a key, 4 MB each, and one allowed caller meanwhile
	@$(BIN)/python -m tests.performance.bench_door $(if $(CALLERS),--callers=$(CALLERS))

.PHONY: bench-shadow
bench-shadow: setup ## what callers feel of a shadow that is dead, blocked or healthy: p99 beside that without one
	@$(BIN)/python -m tests.performance.bench_shadow $(if $(SECONDS),--seconds=$(SECONDS)) $(if $(ROUNDS),--rounds=$(ROUNDS))

.PHONY: bench-experiment
bench-experiment: setup ## verdicts of experiments with a look at every unit: false alarms, found lifts, beside savvi
	@$(BIN)/python -m tests.performance.bench_experiment $(if $(RUNS),--runs=$(RUNS))

.PHONY: bench-events
bench-events: setup ## servestack events over EVENTS (1,000,000) in a real Kafka: time and memory
	@$(BIN)/python -m tests.performance.bench_events $(if $(EVENTS),--events=$(EVENTS))

.PHONY: bench-scaling-signal
bench-scaling-signal: setup ## what an autoscaler should look at: scale events at a steady load, seconds after a step
	@$(BIN)/python -m tests.performance.bench_scaling_signal $(if $(HOURS),--hours=$(HOURS))

.PHONY: bench-scaling
bench-scaling: setup ## prometheus-adapter and KEDA on a cluster: a step of the load from 1x to 5x, MINUTES (10) steady before and after
	@$(BIN)/python -m tests.performance.bench_scaling $(if $(MINUTES),--minutes=$(MINUTES))

.PHONY: bench-rollouts
bench-rollouts: setup ## canary and blue-green on a cluster, good versions and bad: ROUNDS (10) of each
	@$(BIN)/python -m tests.performance.bench_rollouts $(if $(ROUNDS),--rounds=$(ROUNDS))

.PHONY: bench-http
bench-http: setup ## the server's HTTP layer beside uvicorn's and granian's, as ratios from one run
	@$(BIN)/python -m tests.performance.bench_http $(if $(SECONDS),--seconds=$(SECONDS))

.PHONY: faults
faults: setup ## the fault table: each fault N times (10), or the ROWS named; what Kafka says afterwards
	@$(BIN)/python -m tests.faults $(if $(N),--runs=$(N)) $(if $(ROWS),--rows=$(ROWS)) $(if $(CLUSTER),--cluster) $(if $(KEEP),--keep=$(KEEP)) $(if $(JSON),--json=$(JSON))

.PHONY: cluster
cluster: setup ## a real cluster by kind, on Docker or else on podman as root; prints its kubeconfig's path
	@$(BIN)/python -m tools.cluster up

.PHONY: cluster-down
cluster-down: setup ## take that cluster away, with all that belongs to it
	@$(BIN)/python -m tools.cluster down
