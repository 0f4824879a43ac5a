# Everything is installed into .venv; nothing but Python >= 3.11, make and git has to be there. The end-to-end tests
# want a few of Debian's packages besides, and say which.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check unit e2e bench lock format debian clean

demo: $(VENV)/.demo  ## see it work against a local OpenBao, no account needed
	@$(BIN)/ciplug demo

test: check unit e2e  ## everything that CI runs

check: $(VENV)/.dev  ## format, lint, types, architecture
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }

# To count lines doubles the time: the platforms' adapters, which unit tests cover, go through their contract without.
unit: $(VENV)/.dev  ## unit and contract tests, with the coverage they must reach
	$(BIN)/pytest -q -n auto tests/unit tests/contract --ignore=tests/contract/test_platforms.py \
		--cov --cov-report=term:skip-covered --cov-fail-under=90

e2e: $(VENV)/.dev $(VENV)/.node debian  ## real servers and processes, CI hosts' emulators, platforms' stand-ins
	$(BIN)/pytest -q -n auto tests/contract/test_platforms.py tests/e2e

bench: $(VENV)/.dev  ## `ciplug run` beside the bao command line on the same server; requests and time of a sync
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench_sync

lock: $(VENV)/.dev  ## what the GitHub actions install, by hash
	$(BIN)/python -m pip install --quiet uv
	echo hatchling | $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--custom-compile-command 'make lock' --output-file actions/requirements.txt pyproject.toml -

format: $(VENV)/.dev  ## let ruff rewrite what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

debian:  # a database with logins to lease, the shells of CI images, Jenkins' version of Groovy, what gitlab-ci-local calls
	@missing=; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing=postgresql; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	for tool in bash busybox dash git groovy npm rsync shellcheck; do \
		command -v "$$tool" >/dev/null || missing="$$missing $$tool"; \
	done; \
	test -z "$$missing" || { test "$$(id -u)" = 0 || { echo "run: sudo apt-get install $$missing" >&2; exit 1; }; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing; }

clean:
	rm -rf $(VENV) .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.pip:  # dependency groups need pip 25.1
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.node: tests/node/package-lock.json | debian $(VENV)/.pip  # every package by its hash, none of their scripts
	mkdir -p $(VENV)/node
	cp tests/node/package.json tests/node/package-lock.json $(VENV)/node
	npm ci --silent --ignore-scripts --no-audit --no-fund --prefix $(VENV)/node
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable '.[demo]' --group dev
	@touch $@ $(VENV)/.demo
