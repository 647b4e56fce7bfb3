# Everything a newcomer runs. Each target does its own set-up; `make setup` alone does only that.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
DEMO_ARGS ?=
TEST_ARGS ?=

.PHONY: help setup demo test live system lint bench fuzz coverage clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

setup: $(VENV)/.ready ## what is missing of the system packages, the virtual environment, the package

$(VENV)/.ready: pyproject.toml scripts/setup_checkout.sh
	@./scripts/setup_checkout.sh $(VENV)
	@touch $@

demo: setup ## the story in 60 seconds: DEMO_ARGS='--exit --json' for scripts
	@$(VENV)/bin/dsmil demo $(DEMO_ARGS)

test: setup ## every test, on a real private Redis
	@$(PY) -m pytest -n 2 $(TEST_ARGS)

live: setup ## only the tests that run whole daemons
	@$(PY) -m pytest -m live $(TEST_ARGS)

system: setup ## boots a real systemd, installs dsmil there and tries everything on it; needs root
	@./tests/system/prepare.sh
	@$(PY) -m pytest tests/system -m system --durations=15 --durations-min=5 $(TEST_ARGS)

lint: setup ## style, types, floors
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache

bench: setup ## measured figures beside the limits of this machine
	@$(VENV)/bin/dsmil bench

fuzz: setup ## 100,000 mutated inputs for each parser
	@DSMIL_TEST_FUZZ=100000 $(PY) -m pytest tests/sensors/test_fuzz.py -n 2

coverage: setup ## which lines no test runs
	@rm -f .coverage .coverage.*
	@$(VENV)/bin/coverage run -m pytest -n 2 $(TEST_ARGS)
	@$(VENV)/bin/coverage combine -q
	@$(VENV)/bin/coverage report --skip-covered --show-missing

clean: ## the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
