# Every target prepares what it needs; `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The pip that Python came with installs into the environment, so the environment needs none.
PIP := $(PYTHON) -m pip --disable-pip-version-check --python $(BIN)/python
# What one lock installs, and then the project itself, whose build needs only the lock's setuptools.
INSTALL = $(PIP) install -qq --require-hashes -r $< && \
	$(PIP) install -qq --no-deps --no-build-isolation --editable .

.PHONY: help run check fast test coverage pictures train sentence bench sbom dist fuzz failover load drill lint format docs browser wordpress lock pin clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: $(VENV)/.run  ## start Hakam here, with a private Redis unless HAKAM_REDIS_URL names one
	@$(BIN)/hakam run

check: lint fast  ## run the linters and the fast tests, in about a minute

fast: $(VENV)/.test  ## run the fast tests alone; another Python: make fast PYTHON=python3.13 VENV=.venv-3.13
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test: lint browser $(VENV)/.sentence  ## run everything that can fail
	$(BIN)/pytest -n 2 --dist worksteal

coverage: browser $(VENV)/.sentence  ## run all tests and say which lines they reach, those of child processes too
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered

pictures: browser $(VENV)/.test  ## save pictures of every page to build/pictures; DOCS=1 renews those of docs too
	@rm -rf build/pictures
	$(BIN)/pytest tests/pictures.py
	@echo build/pictures/index.html

train: $(VENV)/.train  ## install what hakam-train needs
	@$(BIN)/hakam-train --help

sentence: $(VENV)/.sentence  ## install what learning the sentence scorer needs, torch
	@$(BIN)/hakam-train sentence --help

bench: $(VENV)/.test  ## measure the classifier, the service, the queue and the console
	@missed=; for one in classifier service hostile queue console; do \
		$(BIN)/python tests/bench_$$one.py || missed="$$missed $$one"; \
	done; [ -z "$$missed" ] || { echo "bench: limits not kept, or failed:$$missed" >&2; exit 1; }

fuzz: $(VENV)/.test  ## send 100,000 random requests to every route
	$(BIN)/python tests/fuzz_service.py 100000

failover: $(VENV)/.test  ## let Redis fail over under load, MINUTES=30, and judge the history; writes var/failover
	PYTHONPATH=tests $(BIN)/python tests/failover.py --minutes $(or $(MINUTES),30)

load: $(VENV)/.test  ## play a news day, MINUTES=10, and renew docs/load.md; writes var/load
	PYTHONPATH=tests $(BIN)/python tests/load.py --minutes $(or $(MINUTES),10) --renew

drill: $(VENV)/.test  ## back up under load, destroy, restore and reconcile, by the lines of docs/backup.md
	PYTHONPATH=tests $(BIN)/python tests/drill.py

lint: $(VENV)/.test  ## check rules, formatting, types, spelling, templates, JavaScript, CSS and Lua
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell
	$(BIN)/djlint service/console/templates service/readers/templates training/templates --lint --quiet
	$(call biome,check --error-on-warnings)
	$(BIN)/python tests/lint_lua.py

format: $(VENV)/.test  ## format the code, and mend what the linters can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(call biome,check --write)

# Biome comes with the lock where its wheel fits, else from the path.
biome = @PATH="$(abspath $(BIN)):$$PATH"; command -v biome >/dev/null || { echo "make lint needs Biome: \
	npm install --global @biomejs/biome, or brew install biome" >&2; exit 1; }; \
	echo biome $(1); biome $(1) --config-path=.biome.jsonc

docs: $(VENV)/.test  ## write the tables of the documents that come from models
	$(BIN)/python tests/reference.py

# Chromium for the tests: the machine's own, else Debian's package, else Playwright's download.
browser: $(VENV)/.test  ## find or install Chromium for the tests
	@if command -v chromium chromium-browser >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && apt-get install --yes --no-install-recommends chromium fonts-noto-core; \
	else $(BIN)/playwright install chromium; fi

# All that the service's lock installs, with licences: software bill of materials, CycloneDX.
sbom: $(VENV)/.test  ## write build/hakam.cdx.json: what an install of Hakam holds, with licences
	@rm -rf build/installed && mkdir -p build && $(PYTHON) -m venv --without-pip build/installed
	@$(PYTHON) -m pip --disable-pip-version-check --python build/installed/bin/python \
		install -qq --require-hashes -r requirements.lock
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file build/hakam.cdx.json build/installed/bin/python
	@echo build/hakam.cdx.json

# From what is committed, with its time: the same bytes wherever and whenever it is built.
dist: sbom  ## build what a release hands out: the wheel, the bill of materials and their digests
	@rm -rf build/source dist && mkdir -p build/source dist
	@umask 022 && git archive HEAD | tar --extract --no-same-permissions --directory build/source
	@umask 022 && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(PIP) wheel -qq --no-deps \
		--no-build-isolation --wheel-dir dist ./build/source
	@cp build/hakam.cdx.json dist && cd dist && sha256sum -- * >SHA256SUMS && cat SHA256SUMS

# The tag stays before the digest, so that the next release finds what to ask for. Nothing is written
# before every digest is known.
PINNED = docker-compose.yml service/Dockerfile service/run/kubernetes/base/redis.yaml
pin:  ## write the digests of today's images into the files for containers; needs Docker
	@mkdir -p build && for image in $$(sed -nE 's/^ *(image: |FROM )([^@ ]+:[^@ ]+).*/\2/p' $(PINNED)); do \
		digest=$$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$$image") || exit 1; \
		echo "$$digest" | grep -qE '^sha256:[0-9a-f]{64}$$' || { echo "$$image has no digest" >&2; exit 1; }; \
		printf '%s\n' "s#((image:|FROM) $$image)(@[^ ]+)?( |\$$)#\\1@$$digest\\4#"; \
	done >build/pins
	@sed -i.before -E -f build/pins $(PINNED) && rm -f $(PINNED:=.before)
	@sed -nE 's/^ *(image: |FROM )(.*@)/\2/p' $(PINNED)

ZIP ?= build/hakam.zip
wordpress:  ## pack the WordPress plugin into build/hakam.zip
	@mkdir -p $(dir $(ZIP)) && rm -f $(ZIP)
	@cd integrations/wordpress && $(PYTHON) -m zipfile -c $(abspath $(ZIP)) hakam
	@echo $(ZIP)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Hakam needs Python 3.11 or newer, and $(PYTHON) is " \
		+ sys.version.split()[0] + ": name another, as in make run PYTHON=python3.12" \
		if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) 2>/dev/null >&2 || $(PYTHON) -m venv --clear --without-pip $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Hakam needs into $(VENV), once ..."
	@$(INSTALL)
	@touch $@

$(VENV)/.train: training/requirements.lock pyproject.toml | $(VENV)/bin/python
	@$(INSTALL)
	@touch $@ $(VENV)/.run

$(VENV)/.test: tests/requirements.lock pyproject.toml | $(VENV)/bin/python
	@$(INSTALL)
	@touch $@ $(VENV)/.run $(VENV)/.train

$(VENV)/.sentence: training/sentence/requirements.txt $(VENV)/.test
	$(PIP) install -qq -r $<
	@touch $@

# The locks, for Python 3.11 and newer on Linux and macOS. Each later one holds all of the earlier.
COMPILE = echo 'setuptools>=77' | $(BIN)/uv pip compile - pyproject.toml --quiet --universal \
	--python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
	$(if $(UPGRADE),--upgrade)
lock: $(VENV)/.test  ## resolve the locks again, UPGRADE=1 to the newest versions
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --constraints requirements.lock --extra train --output-file training/requirements.lock
	$(COMPILE) --constraints training/requirements.lock --extra train --extra test --extra bench \
		--output-file tests/requirements.lock

clean:  ## remove what the targets above made; the data under var/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
