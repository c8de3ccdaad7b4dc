# Everything starts from nothing: a Python 3.11 or newer, make and git are enough.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo demo-reset test test-pure test-sqlite test-postgresql test-browser check bench \
        prove mutate fmt lock docs

# Two environments, so that a first `make demo` does not wait for the tools of the developers.
RUN := .venv-run
DEV := .venv
PORT ?= 8000
HITL_DATA_DIR ?= var
export PORT HITL_DATA_DIR

help: ## Show what can be done
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run-env dev-env
run-env:
	@scripts/install $(RUN) requirements/base.txt requirements/build.txt

dev-env:
	@scripts/install $(DEV) requirements/dev.txt

demo: run-env ## Start the service with people and tickets to try (PORT=, HITL_DATA_DIR=)
	@scripts/demo $(RUN)

demo-reset: ## Delete the demo's data folder
	@scripts/demo-reset

test: test-pure test-sqlite test-postgresql ## Run every test, on SQLite and on PostgreSQL with Redis

PYTEST := $(DEV)/bin/python -m pytest -q
test-pure: dev-env
	@echo "== rules, without a database"
	@TEST_DATABASE=none $(PYTEST) -n 2 -m pure tests
	@cd sdk && ../$(DEV)/bin/python -m pytest -q -n 2

test-sqlite: dev-env
	@echo "== on SQLite"
	@TEST_DATABASE=sqlite $(PYTEST) -n 2 -m "db or real" tests

test-postgresql: dev-env
	@echo "== on PostgreSQL"
	@TEST_DATABASE=postgresql $(PYTEST) -n 2 -m "(db or real) and not once" tests

test-browser: dev-env ## Run the tests that act through a browser
	@CHROMIUM="$$(scripts/chromium)" && export CHROMIUM && \
	 TEST_DATABASE=sqlite $(PYTEST) -n 2 -m browser tests

check: dev-env ## Run what CI runs
	@scripts/check $(DEV)
	@$(MAKE) --no-print-directory test test-browser

bench: dev-env ## Measure and print the figures; JSON under var/
	@$(DEV)/bin/python -m tests.bench

prove: dev-env ## Prove what is promised under faults and races (GROUP=D, ROW=D1)
	@$(DEV)/bin/python -m tests.prove $(if $(GROUP),--group $(GROUP)) $(if $(ROW),--row $(ROW))

mutate: dev-env ## Break the rules one place at a time and count which changes a test notices
	@$(DEV)/bin/python -m tests.mutation

fmt: dev-env ## Format the code and fix what can be fixed by itself
	@$(DEV)/bin/ruff check --fix-only -q . ; $(DEV)/bin/ruff format .

docs: dev-env ## Write the generated pages and pictures of the documentation anew
	@$(DEV)/bin/python -c "from reviews.lifecycle import markdown_table; \
	 print('# The life of a ticket\n\nWhich status may follow which; the database refuses the rest.\n'); \
	 print(markdown_table(), end='')" > docs/reference/lifecycle.md
	@CHROMIUM="$$(scripts/chromium)" $(DEV)/bin/python docs/make_pictures.py

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header
lock: ## Pin what requirements/*.in ask for (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv on the path; see its manual to get it."; exit 1; }
	$(LOCK) requirements/base.in -o requirements/base.txt
	$(LOCK) requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
