.DEFAULT_GOAL := help
.PHONY: setup demo quick test pytest chaos lint bench lock wheel help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# A place of its own for what writes the lock, so that a new lock never needs the old one installed.
LOCKER := var/locker
SERVICES := common sweeper downloader binner merger flower tools archive
PYTEST = $(BIN)/python -m pytest -n 4 --durations 15 --durations-min 1
# `make lock UPGRADE=--upgrade` takes the newest versions; without it those in the lock are kept.
UPGRADE :=
COMPILE = $(LOCKER)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock" $(UPGRADE)

# What is started here may keep its compiled code: tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

# Installs the lock $(2) in the environment $(1), with the first Python that will do.
define install
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; \
		then exec "$$python" requirements/install.py $(1) $(2); fi; \
	done; \
	echo "spikemill needs Python 3.11 or newer with its venv module (on Debian: apt install python3-venv);" \
		"make PYTHON=/path/to/python3 names one that is not on PATH" >&2; exit 1
endef

setup: $(VENV)/.ready ## make .venv from the lock file; everything else does this by itself

$(VENV)/.ready: $(VENV)/.locked pyproject.toml
	@UV_REQUIRE_HASHES=0 $(BIN)/uv pip install --quiet --no-cache --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.locked: requirements/development.txt requirements/uv.txt requirements/install.py
	@echo "Installing $< in $(VENV); the first time this takes a minute or two."
	$(call install,$(VENV),$<)
	@touch $@

demo: setup ## build a small made-up pile in var/demo
	@$(BIN)/python -m standins.archive --folder var/demo/archive -- $(BIN)/spikemill demo --home var/demo --archive {url}

quick: style ## check style and types, and run the tests that start no programs
	@$(BIN)/python -m pytest -n 2 -m 'not slow and not chaos' tests/unit

test: setup ## check style and types, and run all tests but those of `make chaos`
	@began=$$(date +%s); $(MAKE) --no-print-directory -j2 lint pytest && mkdir -p var \
		&& echo $$(($$(date +%s) - began)) > var/test-seconds

# Runs beside `lint`, where mypy keeps one processor busy for up to a minute.
pytest: setup
	@$(PYTEST) -m 'not chaos'

chaos: setup ## kill, cut off and shuffle whole builds; CI runs this after the tests
	@$(PYTEST) -m chaos

lint: style ## check style and types, and print what the project costs
	@$(BIN)/python -m benchmarks.budgets

style: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: setup ## measure what is claimed about speed, memory and size
	@$(BIN)/python -m benchmarks

lock: ## write requirements/*.txt anew from pyproject.toml
	$(call install,$(LOCKER),requirements/uv.txt)
	@$(COMPILE) pyproject.toml --group development --output-file requirements/development.txt
	@$(COMPILE) --group uv --output-file requirements/uv.txt
	@for service in $(SERVICES) build; do \
		$(COMPILE) --group $$service --constraint requirements/development.txt \
			--output-file requirements/$$service.txt || exit 1; \
	done

wheel: setup ## build the wheel in dist/
	@$(BIN)/python -m hatchling build --target wheel --directory dist

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
