# Nothing but Python 3.11+ is needed: the targets make .venv and install.
PYTHON ?= python3
VENV := .venv
BASE := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs
# Its own: the tools of a release would change locked versions.
TOOLS := .venv-release
RELEASE := $(TOOLS)/.installed
# pip compiles with one core, compileall with all of them.
PIP := $(VENV)/bin/python -m pip install -qq --disable-pip-version-check \
	--no-compile
COMPILE := $(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib || true
WORKERS ?= 2

.PHONY: help quickstart test test-slow fuzz faults sweeps aot-table gpu-report docs \
	docs-map notebooks lint format lock audit sbom clean

help:
	@echo "make quickstart  rooms, training, pictures and scores in report/"
	@echo "make test        install and run the fast tests"
	@echo "make test-slow   the long tests (real processes, smoke configs)"
	@echo "make fuzz        hostile files of every format, for ten minutes"
	@echo "make faults      break running trainings; prints what was lost"
	@echo "make sweeps      every verb on full disks, without readers, killed"
	@echo "make aot-table   compile published configurations for TPU slices"
	@echo "make gpu-report  what one NVIDIA GPU does, in six minutes"
	@echo "make docs        build the documentation as a site into site/"
	@echo "make docs-map    write the map of files and the lists of errors in docs/"
	@echo "make notebooks   docs/notebooks as .ipynb files, for Jupyter and Colab"
	@echo "make lint        ruff and mypy"
	@echo "make format      rewrite the code in its format"
	@echo "make lock        the newest versions that setup.cfg allows, by hash"
	@echo "make audit       known vulnerabilities of the locked versions"
	@echo "make sbom        what a release consists of: report/sbom.json"
	@echo "make clean       remove .venv and caches"

quickstart: $(BASE)
	$(VENV)/bin/scenetok quickstart --out report

test: $(DEV)
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m pytest -q -m "not slow" \
		-n $(WORKERS) --dist worksteal

test-slow: $(DEV)
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m pytest -q -m slow

# The same seeds every time; about ten minutes on two cores.
FUZZ_EXAMPLES ?= 400

fuzz: $(DEV)
	JAX_PLATFORMS=cpu FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(VENV)/bin/python \
		-m pytest -q -m fuzz tests/fuzz -n $(WORKERS) --dist worksteal

faults: $(DEV)
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m pytest -q -m faults

# As root: small disks of its own are mounted, and get full.
sweeps: $(DEV)
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m pytest -q tests/sweeps

# Hours on two cores; finished cells are kept in report/aot.
aot-table: $(BASE)
	@$(PIP) -e '.[tpu]'
	JAX_PLATFORMS=cpu $(VENV)/bin/python -m benchmarks.aot_table \
		--docs docs/performance.md

# Nothing is fetched where JAX finds a GPU already.
gpu-report: $(BASE)
	@$(VENV)/bin/python -c 'import jax; jax.devices("gpu")' 2>/dev/null \
		|| $(PIP) -e '.[gpu]'
	bash -c '. launch/env_gpu.sh && exec $(VENV)/bin/python -m benchmarks.gpu \
		--docs docs/performance_gpu.md --json report/gpu.json'

# A broken link, a name without a docstring or an address elsewhere fails.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

notebooks: $(DOCS)
	$(VENV)/bin/jupytext --quiet --to ipynb docs/notebooks/*.py

docs-map: $(BASE)
	$(VENV)/bin/python docs/file_map.py

lint: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(DEV)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# uv resolves for every platform and Python at once; pip cannot.
UV := $(TOOLS)/bin/uv pip compile setup.cfg -q --universal --python-version 3.11 \
	--generate-hashes --no-annotate --custom-compile-command 'make lock'
LOCKS := requirements.lock launch/requirements-tpu.lock \
	launch/requirements-gpu.lock

lock: $(RELEASE)
	$(UV) --extra dev -o requirements.lock
	$(UV) --extra tpu --extra gcs -o launch/requirements-tpu.lock
	$(UV) --extra gpu --extra gcs -o launch/requirements-gpu.lock

audit: $(RELEASE)
	$(TOOLS)/bin/pip-audit --require-hashes --disable-pip \
		--progress-spinner off $(foreach lock,$(LOCKS),-r $(lock))

sbom: $(RELEASE)
	mkdir -p report
	$(TOOLS)/bin/cyclonedx-py requirements requirements.lock -o report/sbom.json

clean:
	rm -rf $(VENV) $(TOOLS) *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .notebooks

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

$(DEV): setup.cfg pyproject.toml requirements.lock | $(VENV)/bin/python
	@echo "Installing the package and test tools into $(VENV): a few minutes" \
	  "the first time"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@$(COMPILE)
	@touch $(BASE) $@

$(DOCS): setup.cfg | $(BASE)
	@$(PIP) -e '.[docs]'
	@touch $@

$(RELEASE): Makefile
	$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install -qq --disable-pip-version-check \
		'uv>=0.9,<0.14' 'pip-audit>=2.9,<3' 'cyclonedx-bom>=7,<8'
	@touch $@
