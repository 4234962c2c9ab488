# Everything runs in .venv, which each target makes when it is missing and renews when the lock or pyproject.toml changes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LOCK   := deploy/requirements.lock
SOURCE := broker model schemas training
DIST   := dist
# The property tests alone: Hypothesis takes its examples from all modules that are loaded, so the same in each run.
TESTS  := $(BIN)/pytest tests/property && $(BIN)/pytest -n 3 --dist loadfile tests/integration tests/unit

.DEFAULT_GOAL := help
.PHONY: help demo browser test check bench profile screenshots fuzz chaos soak train fmt lock dist sbom audit clean

help: ## print this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## everything at work on this machine: real Kafka, real Valkey, two surveys in one service
	$(BIN)/misweeper demo

browser: # Debian's Chromium, which the page's tests drive: installed for root, said to others
	@command -v chromium chromium-browser google-chrome > /dev/null || \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    export DEBIAN_FRONTEND=noninteractive; apt-get update -q && apt-get install -q -y --no-install-recommends chromium; \
	  else echo "the page's tests need Chromium: apt-get install chromium, or make browser as root" >&2; exit 1; fi

test: $(READY) browser ## unit, property and integration tests, on a real Kafka and a real Valkey
	$(TESTS)

check: $(READY) browser ## what CI runs: ruff, mypy, import contracts, file lengths, the tests, a short fuzz, chaos and soak
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@find $(SOURCE) tests -name '*.py' -exec wc -l {} + \
	  | awk '$$2 != "total" && $$1 > 350 { print $$2 ": " $$1 " lines, 350 at most"; bad = 1 } END { exit bad }'
	$(TESTS)
	$(BIN)/pytest tests/benchmark/test_ratios.py
	$(MAKE) fuzz SHORT=1
	$(MAKE) chaos SHORT=1
	$(MAKE) soak SHORT=1

bench: $(READY) ## how fast it is here: one table, and bench.json; SHORT=1: minutes, PEERS=1: beside others
	$(BIN)/python -m tests.benchmark --json bench.json $(if $(SHORT),--quick) $(if $(PEERS),--peers)
	$(BIN)/pytest -s tests/benchmark/test_recovery.py

profile: $(READY) ## a flame graph of a worker under load: profile.svg
	$(BIN)/python -m tests.benchmark.profile --out profile.svg

screenshots: $(READY) browser ## pictures of the page from the demo, for the README: deploy/screenshots
	$(BIN)/python -m tests.screenshots

fuzz: $(READY) ## a million hostile packets through decode and adapt; SHORT=1: 50,000
	$(BIN)/pytest tests/fuzz
	$(BIN)/python -m tests.fuzz --packets $(if $(SHORT),50000,1000000)

chaos: $(READY) ## workers, Kafka and Redis killed under load, every offset recounted; SHORT=1: minutes, not an hour
	$(BIN)/python -m tests.chaos $(if $(SHORT),--alerts 20000 --kills 15)
	$(if $(SHORT),,$(BIN)/python -m tests.chaos --cluster --alerts 100000 --kills 50)
	$(BIN)/python -m tests.chaos --bad-day --rounds $(if $(SHORT),4,40)

soak: $(READY) ## two workers under load for long, and what they hold stays the same; SHORT=1: five minutes, not an hour
	$(BIN)/python -m tests.soak $(if $(SHORT),--minutes 3 --objects 60000 --rebalance-s 60)

train: $(READY) ## fetch PLAsTiCC, train the default recipe, evaluate it (ten minutes on one core)
	$(BIN)/misweeper-train fetch
	$(BIN)/misweeper-train fit
	$(BIN)/misweeper-train evaluate

fmt: $(READY) ## format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY) ## resolve all dependencies anew: Python packages, the installer, Kafka's jars
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --all-extras \
	  --python-version 3.11 --custom-compile-command "make lock" pyproject.toml -o $(LOCK)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --constraints $(LOCK) \
	  --python-version 3.11 --custom-compile-command "make lock" pyproject.toml -o deploy/service.lock
	printf 'uv\nhatchling\n' | $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url \
	  --python-version 3.11 --custom-compile-command "make lock" - -o deploy/installer.lock
	$(BIN)/python -m broker.embedded.relock

dist: $(READY) ## a wheel and an sdist in dist/, that install and run anywhere
	rm -rf $(DIST)
	$(BIN)/uv build --quiet --build-constraints deploy/installer.lock --require-hashes --out-dir $(DIST) .

sbom: $(READY) ## what the service is made of, as CycloneDX: dist/misweeper.cdx.json
	@mkdir -p $(DIST)
	PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-file $(DIST)/misweeper.cdx.json deploy/service.lock

audit: $(READY) ## known vulnerabilities of all that is locked; fails too where nobody can be asked
	for lock in $(LOCK) deploy/installer.lock; do \
	  $(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off --requirement $$lock || exit; \
	done

clean: ## remove .venv and every cache; runs/ stays
	rm -rf $(VENV) build $(DIST) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(SOURCE) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml $(LOCK) deploy/installer.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "misweeper needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12"; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/installer.lock
	$(BIN)/uv pip sync --python $(BIN)/python --compile-bytecode --require-hashes $(LOCK)
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --build-constraints deploy/installer.lock --editable .
	@touch $@
