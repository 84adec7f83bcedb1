# Nothing but Python 3.11+ is needed: the targets make .venv and install.
PYTHON ?= python3
VENV := .venv
BASE := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
# pip compiles with one core, compileall with all of them.
PIP := $(VENV)/bin/python -m pip install -qq --disable-pip-version-check \
	--no-compile
COMPILE := $(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib || true
WORKERS ?= 2

.PHONY: help quickstart test test-slow faults aot-table docs-map lint format clean

help:
	@echo "make quickstart  rooms, training, pictures and scores in report/"
	@echo "make test        install and run the fast tests"
	@echo "make test-slow   the long tests (real processes, smoke configs)"
	@echo "make faults      break running trainings; prints what was lost"
	@echo "make aot-table   compile published configurations for TPU slices"
	@echo "make docs-map    write the map of files in docs/architecture.md"
	@echo "make lint        ruff and mypy"
	@echo "make format      rewrite the code in its format"
	@echo "make clean       remove .venv and caches"

quickstart: $(BASE)
	$(VENV)/bin/scenetok quickstart --out report

test: $(DEV)
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m pytest -q -m "not slow" \
		-n $(WORKERS) --dist worksteal

test-slow: $(DEV)
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m pytest -q -m slow

faults: $(DEV)
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m pytest -q -m faults

# Hours on two cores; finished cells are kept in report/aot.
aot-table: $(BASE)
	@$(PIP) -e '.[tpu]'
	JAX_PLATFORMS=cpu $(VENV)/bin/python benchmarks/aot_table.py \
		--docs docs/performance.md

docs-map: $(BASE)
	$(VENV)/bin/python docs/file_map.py

lint: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(DEV)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "scenetok_jax needs Python 3.11 or newer, but '$(PYTHON)' is" \
	    "$$($(PYTHON) -V 2>&1); try: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(BASE): setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "Installing the package into $(VENV): a few minutes the first time"
	@$(PIP) -e .
	@$(COMPILE)
	@touch $@

$(DEV): setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "Installing the package and test tools into $(VENV): a few minutes" \
	  "the first time"
	@$(PIP) -e '.[dev]'
	@$(COMPILE)
	@touch $(BASE) $@
