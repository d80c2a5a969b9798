# What a fresh machine with Python 3.11 and make needs: `make demo`, then `make test`.
.POSIX:
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test lint typecheck contracts pytest format bench mutants docs packages clean

# Redundant, fault tolerant and reliable systems side by side, each losing an instance under load.
demo: $(READY)
	@$(BIN)/mainstay demo

# Everything that must hold: lint, types, import contracts, tests.
test: lint typecheck contracts pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

pytest: $(READY) packages
	$(BIN)/pytest

# What needs a Debian package: installs it as root, or says in one line what to install.
packages:
	@sh scripts/packages

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python -m benchmarks

# Changes the ideas in small ways, and sees whether a test notices each.
mutants: $(READY)
	$(BIN)/mutmut run

# The reference pages that are generated from the schema and the commands.
docs: $(READY)
	$(BIN)/python -m docs.generate

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Mainstay needs Python 3.11 or later; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable '.[all]'
	@touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* dist build mutants
