# Each target sets up what it needs. Nothing outside this folder is changed.
PYTHON ?= python3
CPU_FROM ?= --index-url https://download.pytorch.org/whl/cpu
NO_CPU_BUILD = make: torch's CPU build is not to be had there: fetch its wheels elsewhere, and name their folder: \
  make env CPU=1 CPU_FROM='--no-index --find-links FOLDER'
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help env dev repro plots serve study sweep compare compare-networks table bench bench-audit bench-none bench-scale docs test check format readme lock clean
.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: .venv/installed  ## build the environment in .venv from requirements.lock (CPU=1: torch without CUDA's 4 GB; EXTRAS="ray s3": Ray and s3fs, too)
	$(if $(EXTRAS),@.venv/bin/python -m pip install --quiet --constraint requirements.lock \
	  --constraint requirements-dev.lock $(patsubst s3,s3fs==2026.9.0,$(EXTRAS:ray=ray==2.60.0)))

dev: .venv/dev-installed  ## beside it what tests, checks, the site and the notebook need, from requirements-dev.lock

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: Python 3.11 or newer is needed; name one: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	@$(if $(filter-out 0,$(CPU)),.venv/bin/python -m pip install --quiet --no-deps $(CPU_FROM) \
	  --constraint requirements.lock torch torchvision || { echo "$(NO_CPU_BUILD)" >&2; exit 1; })
	.venv/bin/python -m pip install --quiet --requirement requirements.lock
	touch $@

.venv/dev-installed: .venv/installed requirements-dev.lock
	.venv/bin/python -m pip install --quiet --constraint requirements.lock --requirement requirements-dev.lock
	touch $@

repro: env  ## rebuild all results that can be fetched here, and say what cannot (STRICT=1: that is an error)
	@python -m scripts.repro

plots: env  ## write one page of all results, work/results/index.html; it opens without a network
	@python -m scripts.page

serve: env  ## a page that shows what a model says of your pictures: make serve MODEL=FILE
	$(if $(MODEL),,$(error usage: make serve MODEL=models/mobilenet_v2/ants_bees/frozen.safetensors [PORT=8000]))
	@python -m scripts.serve "$$MODEL" $(if $(PORT),--port "$$PORT")

study: env  ## is more than the last layer worth training? many trials: make study [DATASET=ants_bees] [TRIALS=30]
	@python -m scripts.study $(if $(DATASET),--dataset "$$DATASET") $(if $(MODEL),--model "$$MODEL") \
	  $(if $(TRIALS),--trials "$$TRIALS") $(if $(IMAGES),--images "$$IMAGES")

sweep: env  ## try many settings (params.yaml: sweep), and see what the best are worth: make sweep [DATASET=ants_bees]
	@python -m scripts.sweep $(if $(DATASET),--dataset "$$DATASET") $(if $(MODEL),--model "$$MODEL")

compare: env  ## two runs side by side, commits or experiments: make compare [A=HEAD] [B=workspace] [ALL=1]
	@python -m scripts.compare $(if $(A),"$$A",HEAD) $(if $(B),"$$B",workspace) $(if $(ALL),--all)

compare-networks: env  ## accuracy against seconds and megabytes, of all networks that the study has tried
	@python -m scripts.networks

table: env  ## the experiments of dvc exp run, in a table that fits a terminal
	@python -m scripts.table

bench: env  ## measure the time beside the usual script's, into docs/benchmark.md; takes hours, and the machine alone
	python -m scripts.benchmark

bench-audit: dev  ## measure how good the audit is, on planted faults, into docs/audit.md
	python -m scripts.audit_benchmark

bench-none: env  ## measure how well models tell what is none of their classes, into docs/none_of_these.md
	python -m scripts.none_of_these

bench-scale: env  ## measure what many images take, into docs/scale.md: make bench-scale [IMAGES="1000 10000 50000"]
	python -m scripts.measuring.scale $(if $(IMAGES),--images $(IMAGES))

docs: dev  ## make a site of all documentation, work/site/index.html; it opens without a network
	@python -m scripts.docs

test: dev  ## run the tests
	python -m pytest --numprocesses auto --dist worksteal

check: dev  ## lint, format and types; changes nothing
	ruff check .
	ruff format --check .
	mypy

format: dev  ## put the code into shape
	ruff check --fix .
	ruff format .

readme: env  ## write the results into README.md
	python -m scripts.results --readme

lock:  ## pin anew what is installed, within the ranges of pyproject.toml
	rm -rf work/lock
	$(PYTHON) -m venv work/lock
	work/lock/bin/pip install --quiet --upgrade pip
	work/lock/bin/pip install --quiet .
	work/lock/bin/python scripts/lock.py > requirements.lock
	work/lock/bin/pip install --quiet --constraint requirements.lock --group dev
	work/lock/bin/python scripts/lock.py requirements.lock > requirements-dev.lock

clean:  ## remove the environment and what was made in passing; data, models and results stay
	rm -rf .venv work dvc_plots
