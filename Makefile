# `make demo` and `make test` do all the set-up by themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint clean

demo: .venv/installed
	$(BIN)/augcli expand --copies 5
	$(BIN)/augcli train --source shards
	$(BIN)/augcli benchmark

test: .venv/installed-test
	$(BIN)/pytest

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

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
