# Two commands: `make book` and `make test`. Everything else is detail.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help book test serve lint unit notebooks browser chromium claims records colab lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

book: $(READY) ## Set up, execute every notebook, render, say where the pages are
	@$(BIN)/course build

test: chromium lint unit notebooks browser ## Lint, types, unit tests, every notebook, the built pages in a browser

serve: book ## Build the book and open it on this machine
	@$(BIN)/course serve

lint: $(READY) ## Ruff (notebooks too) and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(READY) ## Unit tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not notebooks and not browser" -n 2 --dist worksteal

notebooks: $(READY) ## Every notebook through papermill
	$(BIN)/python -m pytest -m notebooks

chromium:
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || command -v chromium-browser >/dev/null || \
		{ echo "Chromium not found: run \`apt-get install chromium\`, or set CHROMIUM to its path" >&2; exit 1; }

browser: $(READY) ## The built pages in headless Chromium
	$(BIN)/python -m pytest -m browser -n 2

claims: $(READY) ## Recompute what the literature claims
	@$(BIN)/course claims

records: $(READY) ## Measure training runs that have no record, cheapest first (BUDGET=60 minutes)
	@$(BIN)/course records --budget $(or $(BUDGET),60)

colab: ## Unit tests and notebooks with the versions that Colab ships (wants Python 3.13)
	$(PYTHON) -m venv .venv-colab
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-colab/bin/uv pip install --quiet --python .venv-colab/bin/python \
		--constraints requirements-colab.txt --editable ".[grading]" pytest pytest-xdist timm
	.venv-colab/bin/python -m pytest tests/convbook -m "not browser" -n 2
	.venv-colab/bin/python -m pytest tests/notebooks

lock: $(READY) ## Refresh requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --extra book --extra grading --extra dev pyproject.toml -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ConvBook needs Python 3.11 or newer: set one with 'make PYTHON=python3.12 ...'" >&2; exit 1; }
	@echo "Setting up $(VENV) (torch is large: a few minutes on a slow connection)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

clean: ## Remove what builds leave (the environment stays)
	rm -rf _build .cache .venv-colab .pytest_cache .mypy_cache .ruff_cache
