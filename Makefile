# Two commands set everything up: `make demo` and `make test`. Nothing is installed outside .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLES := examples/records/track_10min_16mb

.PHONY: help demo test lint check docs clean

help:
	@echo "make demo   install, audit two bundled example records, write the HTML reports"
	@echo "make test   install what tests need, run the tests"
	@echo "make lint   ruff, mypy, import layers, generated documents"
	@echo "make check  lint and test"
	@echo "make docs   write the pages under docs/rules and the JSON Schema"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "scorefirst needs Python 3.11 or later: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "cannot make a virtual environment: install your system's python3-venv package"; exit 1; }

$(VENV)/.base: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.base
	@mkdir -p out
	$(BIN)/scorefirst audit $(EXAMPLES)/2026-03-24_ThreeSeeds --exit-zero
	$(BIN)/scorefirst audit $(EXAMPLES)/2026-03-25_OneSeedOverTheCap --exit-zero
	$(BIN)/scorefirst audit $(EXAMPLES) --format html --output out/demo.html --exit-zero
	@echo "open out/demo.html in a browser"

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m auditor.rules_docs --check docs/rules

check: lint test

docs: $(VENV)/.base
	$(BIN)/python -m auditor.rules_docs docs/rules
	$(BIN)/scorefirst schema > auditor/report/schema/audit-1.0.schema.json

clean:
	rm -rf $(VENV) out build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
