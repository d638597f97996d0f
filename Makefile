# Everything here uses the environment in .venv, which the first target that needs it creates.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= first_light

.PHONY: install train smollm2 test slow lint types help

help:  ## what there is to make
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "gyges needs Python 3.11 or newer: make PYTHON=python3.11 train")'
	$(PYTHON) -m venv $(VENV)
	# torch first and on its own: what asks for it later then finds the pinned build and pulls no other.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/test-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

install: $(VENV)/installed  ## install into .venv (2 GB), and nothing else

train: $(VENV)/installed  ## build the default organism and reward model, train, probe, write curves and page
	$(BIN)/gyges train $(RUN)

smollm2: $(VENV)/installed  ## the same on a real model in English: fetch SmolLM2-135M-Instruct, build, train, probe, page
	$(BIN)/gyges train smollm2

# Three workers of one thread each on two cores, as tests of Ray and of signals mostly wait. A module is one worker's:
# its tests share what they build.
test: $(VENV)/test-installed  ## run the fast tests
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

# One after the other: drills start processes of their own, and kill them.
slow: $(VENV)/test-installed  ## run the drills and the sweeps over many cases, which `make test` leaves out
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/test-installed  ## ruff: rules and format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/test-installed  ## mypy in strict mode on the five packages and the benchmarks
	$(BIN)/mypy
