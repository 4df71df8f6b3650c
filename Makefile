# Every command sets up what it needs: a fresh Debian machine with python3, make and git is enough.

PYTHON ?= python3
ARGS ?=

# One test process per core that we may use.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

# No question to the network about newer versions of pyright.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

PYTEST := .venv/bin/python -m pytest -n $(WORKERS) --dist worksteal
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	$(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help demo test test-long check static bench venv dev postgresql lock format clean

help: ## show this list
	@echo "Meibo: SCIM 2.0 user provisioning. Commands:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv ## watch Entra ID and Okta fill a directory (ARGS=--exit: end when it is done)
	@.venv/bin/meibo demo $(ARGS)

test: dev postgresql ## the whole test suite on SQLite and on a PostgreSQL of its own (ARGS: for pytest)
	@$(PYTEST) --end-after=870 $(ARGS)

test-long: dev postgresql ## the reliability tests in their long form, before a release
	@MEIBO_TEST_RELIABILITY=long .venv/bin/python -m pytest -o faulthandler_timeout=0 tests/reliability $(ARGS)

check: static ## format, lint, types, layers and the quick tests: run this before a commit
	@$(PYTEST) -m 'not slow and not postgresql' $(ARGS)

static: dev ## the part of check that runs no test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright
	.venv/bin/lint-imports --no-logo

bench: dev postgresql ## measure speed and size (ARGS: for the benchmark)
	@.venv/bin/python -m bench $(ARGS)

venv: ## build .venv with .venv/bin/meibo
	@$(PYTHON) -m scripts.environment runtime

dev: ## the same, with the tools for tests and checks
	@$(PYTHON) -m scripts.environment dev

postgresql: # the programs of PostgreSQL, for the tests' own server
	@$(PYTHON) -m scripts.postgresql

format: dev ## format the code and apply the linter's safe fixes
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lock: dev ## lock the dependencies of pyproject.toml with hashes (UPGRADE=1: newest versions)
	$(LOCK) --group pyproject.toml:build --output-file requirements/build.txt
	$(LOCK) pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) pyproject.toml --group dev --constraint requirements/runtime.txt \
		--output-file requirements/dev.txt

clean: ## remove the environment and all caches
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
