# Set-up, demo and tests. `make` alone lists the targets.
#
# Every step of the set-up leaves a stamp in .venv, so that a second run skips what is done and an
# interrupted one goes on where it stopped.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

PYTHON ?= python3.11
# 1 compiles mmcv's CUDA kernels too; by default where both a toolkit and a GPU are found
FORCE_CUDA ?= $(shell command -v nvcc >/dev/null && command -v nvidia-smi >/dev/null && echo 1 || echo 0)
# a wheel file or any requirement that pip understands; a wheel in wheels/ is found by itself
DETECTRON2 ?= $(firstword $(wildcard wheels/detectron2*.whl))

# one more than there are cores, because many tests wait for processes that they started; 4 at most, for memory
TEST_PROCESSES := $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores + 1 : 4)))

INSTALL := $(BIN)/python -m pip --disable-pip-version-check install -qq --constraint constraints.txt
# $(call need,CONDITION,MESSAGE): stops with one line unless the shell condition holds
need = @$(1) 2>/dev/null || { echo "error: $(2)" >&2; exit 1; }

# a step of the set-up tells what it does and how long it took
comma := ,
begin = @mkdir -p $(VENV); date +%s > $(STAMP)-begun; echo "$(1)"
end = @touch $@; echo "      done in $$(( $$(date +%s) - $$(cat $(STAMP)-begun) )) s"

.PHONY: help setup demo distil test docs doctor clean detectron2
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo "  settings: PYTHON=$(PYTHON) FORCE_CUDA=$(FORCE_CUDA) DETECTRON2=$(or $(DETECTRON2),none)"

setup: $(STAMP)-ready detectron2 ## make .venv and install everything, pinned; about 15 minutes the first time

demo: setup ## run the main job on made-up data: distil, evaluate, convert, transfer, report
	@$(BIN)/python tools/demo.py

distil: $(STAMP)-packages ## distillation alone: no compiler is needed; runs that half of the demo
	@$(BIN)/python tools/demo.py --without-transfer

test: setup ## lint, check who imports whom, and run all tests
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

docs: $(STAMP)-packages ## make the site of docs/ in build/site, warnings as errors, and say which file to open
	@$(BIN)/python tools/build_docs.py

doctor: setup ## say what is installed, what works, and how to mend what does not
	@$(BIN)/python tools/doctor.py

clean: ## remove .venv, builds and caches; results in work_dirs stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP)-venv:
	$(call need,command -v "$(PYTHON)" >/dev/null,$(PYTHON) was not found: apt-get install python3.11 python3.11-venv \
	python3.11-dev or name another Python: make $(MAKECMDGOALS) PYTHON=...)
	$(call need,"$(PYTHON)" -c 'import sys; sys.exit(sys.hexversion < 0x030b0000)',$(PYTHON) is older than Python 3.11: \
	name another: make $(MAKECMDGOALS) PYTHON=...)
	$(call need,"$(PYTHON)" -c 'import ensurepip',$(PYTHON) cannot make virtual environments: apt-get install python3.11-venv)
	$(call begin,[1/4] virtual environment in $(VENV))
	@"$(PYTHON)" -m venv $(VENV)
	@$(INSTALL) pip setuptools wheel ninja
	$(end)

# opencv-python needs the system's libGL; where that is missing the headless build takes its place.
$(STAMP)-packages: setup.py constraints.txt | $(STAMP)-venv
	$(call begin,[2/4] torch$(comma) timm$(comma) mmengine and the rest: a download of about 3 GB)
	@$(INSTALL) torch torchvision
	@$(INSTALL) --no-build-isolation --editable '.[faiss-cpu,docs,dev]'
	@$(BIN)/python -c 'import cv2' 2>/dev/null || $(INSTALL) --no-deps --force-reinstall opencv-python-headless
	$(end)

# pip keeps the wheels it built and does not know for which torch: one that does not load is built afresh.
$(STAMP)-mmcv: $(STAMP)-packages
	$(call need,command -v $${CXX:-c++} >/dev/null,no C++ compiler: mmcv is compiled here: apt-get install build-essential)
	$(call need,test -e "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h",no \
	Python.h: mmcv is compiled here: apt-get install python3.11-dev)
	$(call begin,[3/4] mmcv with its operators (FORCE_CUDA=$(FORCE_CUDA)): built once$(comma) about 9 minutes on two cores)
	@export MMCV_WITH_OPS=1 FORCE_CUDA=$(FORCE_CUDA); \
	$(INSTALL) --no-build-isolation mmcv; \
	$(BIN)/python -c 'import mmcv.ops' 2>/dev/null || \
	$(INSTALL) --no-build-isolation --no-deps --no-cache-dir --force-reinstall mmcv
	@$(BIN)/python -c 'import mmcv.ops'
	$(end)

$(STAMP)-ready: $(STAMP)-mmcv
	$(call begin,[4/4] mmdet and mmsegmentation)
	@$(INSTALL) --no-build-isolation --editable '.[all]'
	$(end)
	@echo "set-up is complete: $(VENV)"

detectron2: $(STAMP)-ready
	@if [ -n "$(DETECTRON2)" ] && [ "$$(cat $(STAMP)-detectron2 2>/dev/null)" != "$(DETECTRON2)" ]; then \
	  echo "Detectron2 from $(DETECTRON2)"; \
	  $(INSTALL) --no-build-isolation "$(DETECTRON2)" && echo "$(DETECTRON2)" > $(STAMP)-detectron2; \
	elif ! $(BIN)/python -c 'from importlib.util import find_spec as f; exit(f("detectron2") is None)'; then \
	  echo "Detectron2 is not installed: its benchmarks are unavailable, everything else works."; \
	  echo "To have it, follow its own instructions (https://detectron2.readthedocs.io), or name a wheel"; \
	  echo "or requirement: make setup DETECTRON2=...   (a wheel file in wheels/ is found by itself)"; \
	fi
