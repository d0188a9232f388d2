# Everything a newcomer needs is Python ≥ 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
PYTEST_WORKERS ?= 3
.PHONY: help setup demo dev test test-random test-unit test-full bench lint clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "xbot needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the pinned dependencies into .venv …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[api-x,celery,dev]'
	@touch $@

setup: .venv/.ready ## Create .venv, install pinned dependencies, find or install a browser
	@$(BIN)/xbot browser

demo: setup ## Fourteen simulated days of the whole loop, then a summary
	@$(BIN)/xbot rehearse --days 14 $(ARGS)

dev: setup ## Open the Dagster UI, the dashboard and the API on the same data
	@$(BIN)/xbot dev

test: setup ## The tests (no network)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -p no:randomly -m "not slow" $(ARGS)

test-random: setup ## The same tests in a random order (the seed is printed)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not slow" $(ARGS)

test-unit: setup ## The unit tests alone
	@$(BIN)/python -m pytest -p no:randomly tests/unit $(ARGS)

test-full: setup ## Every test, the long ones too
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -p no:randomly $(ARGS)

.venv/.bench: .venv/.ready
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	@touch $@

bench: setup .venv/.bench ## Every benchmark in small form; writes docs/benchmarks.md
	@$(BIN)/python -m benchmarks.page $(ARGS)

lint: setup ## ruff, pyright, import-linter, dagster definitions validate
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports
	@home=$$(mktemp -d) && DAGSTER_HOME=$$home $(BIN)/dagster definitions validate -w workspace.yaml --log-level error && rm -rf $$home

clean: ## Remove .venv and the sandbox home
	@rm -rf .venv .xbot
