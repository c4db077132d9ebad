# ClinicBus. `make` alone lists what there is.

PYTHON ?= python3.11
VENV ?= .venv
BUS ?=
PORT_BASE ?= 8100
SEED ?= 1
FULL ?=
export PYTHON VENV

PY := $(VENV)/bin/python
CODE := $(wildcard shared services ops tests bench)
TESTS ?= $(CODE)

.DEFAULT_GOAL := help
.PHONY: help install install-dev run demo status stop reset doctor kafka monitor check sbom docs contracts test faults sim race reminders bench lock

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14
	@echo
	@echo 'Settings: BUS=postgres|kafka  PORT_BASE=8100  VENV=.venv  PYTHON=python3.11'

install:  ## make the environment in .venv from the hash-locked list
	@sh ops/install.sh $(VENV) requirements.lock

install-dev:  ## the same with what the tests and checks need
	@sh ops/install.sh $(VENV) requirements-dev.lock

run: install  ## run everything on this machine [BUS=kafka] [PORT_BASE=9100]
	@$(PY) -m ops.cli run $(if $(BUS),--bus $(BUS)) --port-base $(PORT_BASE)

demo: install  ## play a clinic day on data of its own [BUS=kafka]; exit code 0 when all checks hold
	@$(PY) -m ops.cli day $(if $(BUS),--bus $(BUS))

status: install  ## what runs
	@$(PY) -m ops.cli status

stop: install  ## stop what `make run` started
	@$(PY) -m ops.cli stop

reset: install  ## forget the data of `make run`
	@$(PY) -m ops.cli reset

doctor: install  ## explain what is wrong with this machine or a setting
	@$(PY) -m ops.cli doctor --port-base $(PORT_BASE)

kafka: install  ## start a real Apache Kafka that stays, and print where it listens
	@$(PY) -m ops.cli kafka start

monitor: install  ## a page of what the running system says and hears
	@$(PY) -m ops.cli monitor

check: install-dev  ## format, lint, types, import rules, generated files, secrets, advisories
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy $(CODE)
	$(VENV)/bin/lint-imports
	$(PY) -m ops.generate --check
	$(PY) -m ops.release_contracts --check
	$(PY) -m ops.check_manifests
	$(PY) -m ops.secret_scan
	$(PY) -m ops.advisories

sbom: install-dev  ## what it is made of, as CycloneDX: build/sbom.cdx.json
	$(PY) -m ops.sbom

docs: install-dev  ## write what is generated from the code
	$(PY) -m ops.generate

contracts: install-dev  ## keep today's events as released, for ever
	$(PY) -m ops.release_contracts

test: install-dev  ## all tests [TESTS=shared/db]
	$(PY) -m pytest -q -n 2 --dist loadfile --ignore=tests/faults $(TESTS)

# It starts hundreds of processes: what the first has compiled is kept for the others.
faults: install-dev  ## kill, freeze, cut and stall, on both buses [SEED=n] [FULL=1]
	SEED=$(SEED) FULL=$(FULL) PYTHONDONTWRITEBYTECODE= \
		$(PY) -m pytest -q -n 4 --dist loadscope tests/faults

sim: install-dev  ## relay, bus and consumers on a virtual clock [SEEDS=1000] [FROM=0]
	$(PY) -m shared.bus.tests.sim --seeds $(or $(SEEDS),1000) --from $(or $(FROM),0)

race: install-dev  ## 2,000 calls for 50 slots that overlap, the API killed meanwhile [SEED=n]
	$(PY) -m bench.rush --seed $(SEED)

reminders: install-dev  ## three workers, killed, remind of VISITS=50000 visits [SEED=n]
	$(PY) -m bench.reminding --seed $(SEED) --visits $(or $(VISITS),50000)

bench: install-dev  ## measure the ratios; writes bench/results/latest.json
	$(PY) -m bench

lock:  ## resolve the dependencies anew (needs uv)
	@command -v uv >/dev/null || { echo 'uv is needed to lock: pip install uv.' >&2; exit 1; }
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --quiet -o requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --quiet --extra dev --extra otel -o requirements-dev.lock pyproject.toml
