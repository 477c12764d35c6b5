# Every target sets itself up: a fresh clone needs a Python ≥ 3.11, make, and a C++ compiler
# (llama-cpp-python is compiled once, about five minutes; cmake and ninja come as wheels).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for name in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test test-long test-train check format bench bench-workloads model model-hf gpu-check schema docs screenshots clean

help: ## Say what each target does
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(READY) ## Make the virtual environment and install the package with its development tools

# Redone when the dependencies change; a second run with an unchanged pyproject.toml costs nothing.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 found; give one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev -e .
	@touch $@

demo: $(READY) ## Answer a table of questions over a real database with the embedded model
	@$(BIN)/haloctl demo

test: check ## Run all checks and all tests
	$(BIN)/python -m pytest -m "not long"

test-long: $(READY) ## Run the tests that take hours
	$(BIN)/python -m pytest -m long --timeout 0

check: $(READY) ## Lint, check formatting, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

BENCHMARKS := coordinator control live memory planner layout view widgets tui journal pipelining llama_backend

bench: $(READY) ## Run the benchmarks; each prints its figures as ratios within one run
	@set -e; for name in $(BENCHMARKS); do echo "== bench/$$name.py"; $(BIN)/python -m bench.$$name; done

bench-workloads: $(READY) ## Measure W1 to W6 by every system (MINUTES=45 or ONLY="W1,64,1w" for less); goes on where it was
	$(BIN)/python -m bench.workloads $(if $(ONLY),--only $(ONLY)) $(if $(MINUTES),--minutes $(MINUTES)) \
	  --json bench/results/workloads.json
	$(BIN)/python -m bench.workloads --page bench/results/workloads.json

gpu-check: ## Check the GPU backend on this machine's CUDA device, in 8 minutes; WHEELS=FOLDER where no network is
	$(or $(PYTHON),python3) -m bench.gpu_check $(if $(WHEELS),--wheels $(WHEELS))

TRAINER := $(VENV)/.trainer-ready

$(TRAINER): $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt --group train
	@touch $@

test-train: $(TRAINER) ## Install PyTorch and run the tests that are skipped without it
	$(BIN)/python -m pytest -m "not long" $$(grep -rl --include='test_*.py' 'importorskip("torch"' tests)

TRAINING ?= $(HOME)/.cache/haloctl/training
THREADS ?= 2

model: $(TRAINER) ## Train the embedded model from its seed, or go on with it: hours; TRAINING=FOLDER keeps it
	OMP_NUM_THREADS=1 $(BIN)/python -m workflows.mini.training.train $(TRAINING) --threads $(THREADS)
	$(BIN)/python -m workflows.mini.training.export $(TRAINING)/checkpoint.safetensors \
		--gguf $(TRAINING)/haloctl-mini.gguf --folder $(TRAINING)/haloctl-mini
	$(BIN)/python -m workflows.mini.training.evaluate $(TRAINING)/haloctl-mini.gguf \
		--json $(TRAINING)/evaluation.json || echo "below a target: $(TRAINING)/evaluation.json has every failure"

HF ?= haloctl-mini-hf

model-hf: $(READY) ## Write the embedded model as a Hugging Face folder, for ExLlamaV2; HF=FOLDER says where
	$(BIN)/python -m workflows.mini.folder workflows/mini/haloctl-mini.gguf $(HF)

schema: $(READY) ## Regenerate what docs/reference takes from the code
	$(BIN)/python docs/generate.py

docs: schema ## Regenerate the reference pages and the README's picture
	$(BIN)/python docs/picture.py

screenshots: $(READY) ## Draw docs/screens anew from the recorded run; RECORD=yes runs the demo and records it first
	$(BIN)/python docs/screenshots.py $(if $(RECORD),--record)

clean: ## Remove the virtual environment, build outputs and caches
	rm -rf $(VENV) .demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
