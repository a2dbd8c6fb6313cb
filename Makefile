# One verb each; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench faults frameworks schemas docs clean

help: ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 78; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $(STAMP)

setup: $(STAMP) ## create .venv with the `stratum` script

demo: setup ## run the main job on recorded runs and show what comes out
	$(BIN)/stratum dev --import tests/fixtures/runs --once

test: setup ## run every test this machine can; says what it could not
	$(BIN)/python -m pytest -n 2

check: setup ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=patcher $(BIN)/lint-imports
	$(BIN)/python -m stratum_lab.cli.reference --check

format: setup ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## measure speed against named peers; prints a table, writes JSON
	$(BIN)/python -m bench

faults: setup ## the long form of the fault tests
	STRATUM_SOAK=1 $(BIN)/python -m pytest tests/faults

frameworks: setup ## build the environments of the framework lines, kept in ~/.cache/stratum-lab
	$(BIN)/python -m tests.support.patcher.environments

schemas: setup ## release edited schemas; refuses what breaks stored data
	$(BIN)/python -m stratum_lab.contract

docs: setup ## regenerate docs/cli.md, docs/events.md, docs/settings.md, docs/rules.md and the patcher's tables
	$(BIN)/python -m stratum_lab.cli.reference
	$(BIN)/python -m tests.support.patcher.coverage --pages
	$(BIN)/python -m tests.support.patcher.side_by_side --docs

clean: ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
