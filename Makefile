# Everything is installed into .venv; nothing but Python >= 3.11, make and git has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check unit e2e bench format postgresql clean

demo: $(VENV)/.demo  ## see it work against a local OpenBao, no account needed
	@$(BIN)/ciplug demo

test: check unit e2e  ## everything that CI runs

check: $(VENV)/.dev  ## format, lint, types, architecture
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }

unit: $(VENV)/.dev  ## unit and contract tests, with the coverage they must reach
	$(BIN)/pytest -q tests/unit tests/contract --cov --cov-report=term:skip-covered --cov-fail-under=90

e2e: $(VENV)/.dev postgresql  ## a real OpenBao, a real PostgreSQL, real processes
	$(BIN)/pytest -q tests/e2e

bench: $(VENV)/.dev  ## `ciplug run` beside the bao command line, on the same server
	$(BIN)/python -m tests.bench

format: $(VENV)/.dev  ## let ruff rewrite what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

postgresql:  # the leased-secret tests need a real server; Debian's package has one
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
		{ test "$$(id -u)" = 0 || { echo "run: sudo apt-get install postgresql" >&2; exit 1; }; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends postgresql; }

clean:
	rm -rf $(VENV) .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.pip:  # dependency groups need pip 25.1
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable '.[demo]' --group dev
	@touch $@ $(VENV)/.demo
