# The only task runner. Everything dd0c needs is pinned and hash-checked in requirements/*.lock and
# installed into .venv when a lock changed; nothing is written outside this folder and DD0C_HOME.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q --root-user-action=ignore
PYTHON ?= python3
# The tests that `make check` runs, and `make test` therefore does not.
CHECKED := tests/house tests/e2e/test_docs.py tests/sim/test_howto.py

.PHONY: help up test check check-code check-tests check-long bench fmt docs lock

help:
	@echo 'make up      start dd0c (docs/start.md); Ctrl-C stops it'
	@echo 'make test    run the tests; make test ARGS="tests/base -x" runs some'
	@echo 'make check   style, types, imports, flags, house rules, the commands of all documents'
	@echo 'make check-long  a minute of fuzzing what reads from the network (ARGS="--seconds 600 --seed 7")'
	@echo 'make bench   dd0c beside other gateways and proxies; an hour (ARGS=--quick: minutes; ARGS=--help: parts)'
	@echo 'make docs    write docs/reference from the code'
	@echo 'make fmt     mend what can be mended'
	@echo 'make lock    pin the requirements again'

up: $(VENV)/runtime.stamp
	@exec $(BIN)/dd0c up

# Three at a time: most of them wait for something.
test: $(VENV)/dev.stamp
	@exec $(BIN)/pytest -n 3 --dist worksteal $(or $(ARGS),$(CHECKED:%=--ignore=%))

check: $(VENV)/dev.stamp
	@$(MAKE) --no-print-directory -j2 check-code check-tests

check-code: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

check-tests: $(VENV)/dev.stamp
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/dd0c flag bake
	$(BIN)/pytest -q $(CHECKED)

# Each time with another seed, which is printed; inputs that fail are kept in artifacts/fuzz.
check-long: $(VENV)/dev.stamp
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

bench: $(VENV)/dev.stamp
	@exec $(BIN)/python -m tests.bench $(ARGS)

fmt: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/dev.stamp
	@$(BIN)/python docs/generate.py

# The lock files hold no address: they install from whatever index pip is set up for.
lock: $(VENV)/created.stamp
	@$(PIP) uv
	@cd requirements && for name in build runtime dev; do \
	  ../$(BIN)/uv pip compile -q $$name.in --generate-hashes --no-emit-index-url --universal \
	    --python-version 3.11 -o $$name.lock || exit 1; \
	done

$(VENV)/created.stamp:
	@python=; \
	for candidate in $(PYTHON) python3.14 python3.13 python3.12 python3.11; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "error: dd0c needs Python 3.11 or newer, and $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>/dev/null || echo missing): install one, or say which:" \
	    "make up PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "error: $$python has no venv module: install it (Debian, Ubuntu:" \
	    "apt-get install python3-venv) and try again" >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV) && touch $@

# dd0c itself is built with the pinned setuptools of build.lock, not with a fetched one.
$(VENV)/%.stamp: requirements/%.lock requirements/build.lock pyproject.toml | $(VENV)/created.stamp
	@echo "installing $$(grep -c '==' $<) pinned packages (about half a minute, only when they change)"
	@$(PIP) --require-hashes -r requirements/build.lock -r $<
	@$(PIP) --no-build-isolation --no-deps -e .
	@touch $@
