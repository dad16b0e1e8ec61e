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

test: $(READY) ## run lint, types, import rules, all tests but the slow ones (8 minutes on 2 cores)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

test-slow: $(READY) ## run the long tests: kills, fuzzing (make test has short versions)
	$(BIN)/pytest -m slow -s

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reproduce: $(READY) ## make the paper's tables and figures on built-in data (outputs/report)
	$(BIN)/crl reproduce

bench: $(READY) ## measure speed and memory against baselines (13 minutes; benchmarks/results.md)
	$(BIN)/python -m benchmarks $(NAMES)

clean: ## remove .venv and caches; results under outputs/ stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
