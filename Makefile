# `make demo` and `make test` do all the set-up by themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-lowest lint clean

demo: .venv/installed
	$(BIN)/augcli expand --copies 5
	$(BIN)/augcli train --source shards
	$(BIN)/augcli benchmark

# Two at a time, each with one thread: the suite is mostly many small waits.
test: .venv/installed-test
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2

# With the oldest releases that pyproject.toml allows; tests of what isn't installed are left out.
test-lowest: .venv-lowest/installed
	OMP_NUM_THREADS=1 .venv-lowest/bin/pytest --numprocesses 2 --ignore tests/test_tools.py \
	    -W default::DeprecationWarning

lint: .venv/installed-test
	$(BIN)/pytest tests/test_tools.py tests/test_architecture.py

.venv/bin/pip:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("augcli needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/installed-test: .venv/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test]'
	touch .venv/installed $@

.venv-lowest/installed: pyproject.toml .ci/lowest.py
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) .ci/lowest.py > .venv-lowest/lowest.txt
	.venv-lowest/bin/pip install --quiet --constraint .venv-lowest/lowest.txt \
	    --editable '.[http]' pytest pytest-xdist hypothesis safetensors
	touch $@

clean:
	rm -rf .venv .venv-lowest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
