# Needs Python 3.11 or newer, git and make; nothing else, no key, no server.
#
#   make demo    a candidate profile in, an offer packet out
#   make test    the tests
#   make check   format, lint, types, floors, and a clean install of the wheel
#   make bench   the measured figures      make crash   the full crash run
#   make bench-synthesis   learned synthesis on recorded answers, some minutes

PYTHON ?= python3
VENV ?= .venv
# How many test files run at a time.
WORKERS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The build backend is pinned with the rest, so the build needs no second download.
INSTALL := $(PIP) install --quiet --constraint constraints.txt

.PHONY: demo test check format bench bench-synthesis crash wheel clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime
	$(BIN)/concertino agent run offer-orchestrator-mag --json examples/candidate.json

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(MAKE) wheel

# Builds the wheel and tries it where nothing of ours is: the packs, the schemas and the entry points must be inside it.
wheel: $(VENV)/.dev
	rm -rf build/wheel build/venv
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(BIN)/python -m venv build/venv
	build/venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt build/wheel/*.whl
	cd build && venv/bin/concertino --version && venv/bin/concertino agent list > agents.json
	cd build && venv/bin/concertino agent run offer-orchestrator-mag --json ../examples/candidate.json \
		--database sqlite:///wheel.db --runs-dir runs > packet.json
	rm -rf build/wheel.db* build/runs

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-synthesis: $(VENV)/.dev
	$(BIN)/python bench/synthesis.py $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python bench/run.py $(ARGS)

crash: $(VENV)/.dev
	$(BIN)/python bench/crash.py $(ARGS)

clean:
	rm -rf $(VENV) build .runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@found=; for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "error: Python 3.11 or newer is needed; say where with make PYTHON=..." >&2; exit 2; fi; \
	$$found -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) hatchling editables
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@
