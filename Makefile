# `make` lists the targets. Everything runs in .venv, which each target sets up if it has to.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install test test-slow format reproduce bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## set up .venv with everything that is needed (several GB: torch)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "crl needs Python 3.10 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

test: $(READY) ## lint, types, arrows between the rooms, all tests but the slow ones (8 minutes on 2 cores)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

test-slow: $(READY) ## the long suites: hundreds of kills, fuzzing (make test has a short version of each)
	$(BIN)/pytest -m slow -s

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reproduce: $(READY) ## the paper's tables, figures and claims on built-in data, no download; the report in outputs/report
	$(BIN)/crl reproduce

bench: $(READY) ## speed and memory against what they are measured by; the table in benchmarks/results.md (8 minutes)
	$(BIN)/python -m benchmarks $(NAMES)

clean: ## remove .venv and caches; results under outputs/ stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
