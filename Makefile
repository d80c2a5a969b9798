# What a fresh machine with Python 3.11 and make needs: `make demo`, then `make test`.
.POSIX:
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
SECONDS = 60
JOBS = 2
TESTS =
COMPILED = .venv-compiled
HOT = src/mainstay/*/*.py

.PHONY: demo test lint typecheck contracts pytest format bench mutants fuzz docs packages compiled test-compiled clean

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

# By two processes, for much of the time a test waits; who wants some of it: make pytest TESTS=tests/base
pytest: $(READY) packages
	$(BIN)/pytest --numprocesses $(JOBS) --dist worksteal $(TESTS)

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

# Inputs that no one would think of, against laws that must hold for all: each target for SECONDS.
fuzz: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz
	@for target in $$($(BIN)/python -m fuzz --list); do echo "fuzzing $$target for $(SECONDS) s"; $(BIN)/python -m fuzz $$target $(SECONDS) || exit 1; done

# The hot files as C, by mypyc, in an environment of their own; and the tests that both have to pass.
compiled: $(COMPILED)/.ready
test-compiled: compiled
	$(COMPILED)/bin/python -c 'import mainstay.gateway.http.exchange as it; assert it.__file__.endswith(".so"), it.__file__'
	$(COMPILED)/bin/pytest -m "not interpreted" tests/redundancy tests/tolerance tests/gateway tests/conformance

# From a source distribution, so that nothing compiled is left in the tree for the other environment to import.
$(COMPILED)/.ready: $(READY) pyproject.toml $(HOT)
	@echo "setting up $(COMPILED), which takes a minute"
	@rm -rf $(COMPILED)
	@$(PYTHON) -m venv $(COMPILED)
	@$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m hatchling build -t sdist -d $(COMPILED)/sdist
	@$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check --group dev
	@HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check $(COMPILED)/sdist/*.tar.gz
	@touch $@

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
	rm -rf $(VENV) $(COMPILED) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* .fuzz dist build mutants
