# Everything a fresh machine needs: Python 3.11+ and make. `make demo` and `make test` set themselves up.
# The system's own Python is built with profile-guided optimization, and does everything here a third faster than one
# that is not, e.g. pyenv's; where it is too old or has no venv, it is the first in the path.
ifndef PYTHON
USABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
PYTHON := $(if $(shell /usr/bin/python3 -c '$(USABLE)' 2>/dev/null && echo yes),/usr/bin/python3,python3)
endif
UV := .state/uv/bin/uv
BIN := .venv/bin

# Absolute, whatever folder a command is run from: a relative one would silently make a second Dagster instance.
export DAGSTER_HOME := $(CURDIR)
export IMAGE_ASSETS_STATE_DIR ?= $(CURDIR)/.state
export DAGSTER_STATE_DIR ?= $(IMAGE_ASSETS_STATE_DIR)/dagster
# Where it is set, each of the many processes of tests and Dagster compiles every module it loads anew: half of their time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo dev test soak coverage lint format bench clean

help:
	@echo "make demo    run every area on the sample data, twice, and write an HTML report"
	@echo "make dev     open Dagster (http://127.0.0.1:3000) and the review page (:8000/review) on the sandbox"
	@echo "make test    run the tests, in a few minutes"
	@echo "make soak    run those that take minutes: kills, storms, fuzzing, browsers, whole programs"
	@echo "make coverage run both a fifth slower, and say which lines none of them reaches"
	@echo "make lint    check style, types, import contracts and definitions"
	@echo "make bench   measure renderer, audit, storefront, marketplace, intake and queue (takes minutes; sharp needs npm)"
	@echo "make setup   create .venv and .env; the others do it too"

setup: .venv/.ready .env

$(UV):
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .state/uv
	.state/uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.8"

.venv/.ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --all-extras --no-python-downloads --python "$(shell command -v $(PYTHON))"
	@touch $@

# Read by `dagster` and `image-assets` when they are run here by hand. Only these three lines are ours to rewrite.
.env: .venv/.ready Makefile
	@mkdir -p $(DAGSTER_STATE_DIR)
	@touch $@
	@grep -vE '^(DAGSTER_HOME|IMAGE_ASSETS_STATE_DIR|DAGSTER_STATE_DIR)=' $@ > $@.new || true
	@{ echo "DAGSTER_HOME=$(DAGSTER_HOME)"; echo "IMAGE_ASSETS_STATE_DIR=$(IMAGE_ASSETS_STATE_DIR)"; \
	   echo "DAGSTER_STATE_DIR=$(DAGSTER_STATE_DIR)"; } >> $@.new
	@mv $@.new $@

demo: setup
	$(BIN)/image-assets demo

dev: setup
	$(BIN)/image-assets dev

test: setup
	$(BIN)/pytest

soak: setup
	$(BIN)/pytest --soak

coverage: setup
	$(BIN)/pytest --cov --cov-fail-under=0 --cov-report=
	$(BIN)/pytest --soak --cov --cov-append --cov-report=term:skip-covered

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate --workspace workspace.yaml

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The group `bench` has what is measured beside ours; the next change of pyproject.toml or uv.lock takes it out again.
bench: setup
	$(UV) sync --frozen --all-extras --group bench --no-python-downloads --python "$(shell command -v $(PYTHON))"
	$(BIN)/python benchmarks/rendering.py
	$(BIN)/python benchmarks/audit.py
	$(BIN)/python benchmarks/storefront.py
	$(BIN)/python benchmarks/marketplace.py
	$(BIN)/python benchmarks/intake.py
	$(BIN)/python benchmarks/queue_rates.py
	$(BIN)/python benchmarks/dashboard.py

clean:
	rm -rf .venv .state .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage
