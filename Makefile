# Two commands on a fresh machine with python3 (venv, headers) and gcc:
#   make run    sets up .venv and runs the main job        make test   sets up .venv and passes the tests
#   make digits sets up .venv and trains a network on handwritten digits with generated kernels
# PyTorch is compared with where a CPU build of it is at hand; nothing needs it. TORCH= leaves it out.

PYTHON  ?= python3
VENV    ?= .venv
TORCH   ?= torch==2.13.0+cpu
OUT     ?= build/lenet
DIGITS  ?= build/digits
WORKERS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run digits test lint types pytest sweep nightly clean

run: $(VENV)/.ready-run
	$(BIN)/python examples/lenet_first_layer.py --out $(OUT)

digits: $(VENV)/.ready-run
	$(BIN)/python -m examples.digits --out $(DIGITS)

test: lint types pytest

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-test
	$(BIN)/mypy

# The drift check of generated/ is one of these tests.
pytest: $(VENV)/.ready-test
	$(BIN)/python -m pytest -q -n $(WORKERS) --doctest-modules --durations 8 derive codegen tests

sweep: $(VENV)/.ready-test
	$(BIN)/python -m pytest -q -n $(WORKERS) -m sweep tests

# For every night: the sweeps, with the audit of every layer's kernels (tests/test_audit.py), and the default tests.
nightly: pytest sweep

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "backflip needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-run: pyproject.toml $(BIN)/python
	$(PIP) install --editable '.[example]'
	@$(MAKE) --no-print-directory peers
	@touch $@

$(VENV)/.ready-test: pyproject.toml $(BIN)/python
	$(PIP) install --editable '.[test]'
	@$(MAKE) --no-print-directory peers
	@touch $@ $(VENV)/.ready-run

.PHONY: peers
peers:
	@test -z "$(TORCH)" || $(PIP) install '$(TORCH)' 2>/dev/null || \
	    echo 'no CPU build of PyTorch found ($(TORCH)): comparisons with it are left out'

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
