# `make` reproduces everything; `make help` lists the other targets.
PYTHON ?= python3
# Passed on to snakemake, for example: make SNAKEMAKE_ARGS="--configfile config/smoke.yaml"
SNAKEMAKE_ARGS ?=
# Options passed on to pytest, no files, for example: make test PYTEST_ARGS="-k report"
PYTEST_ARGS ?=
# Which tests: those that are quick. `make test TESTS=` runs all, whole workflows and a real Slurm too, as .ci/run does.
TESTS ?= not slow

# Minutes after which the trainings of `make gpu` save and leave, for machines that end what takes longer.
MINUTES ?=

INSTALLED := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)
GPU := results/gpu
.PHONY: all gpu test lint lock clean help

all: $(INSTALLED) ## run what is missing of the workflow (default)
	.venv/bin/snakemake --cores all $(SNAKEMAKE_ARGS)
	@echo "Tables: results/tables   Figures: results/figures   Report: results/report.html"

# Each step does what is missing, so that the same command goes on where it stopped.
gpu: $(INSTALLED) ## accuracy, cost and speed on one GPU, in results/gpu; config/gpu.yaml
	.venv/bin/snakemake --cores all --configfile config/gpu.yaml --directory $(GPU) list_runs list_measurements
	@# a GPU shares its time among trainings: some, so that it need not wait for the start of the next
	.venv/bin/python -m svp_core.batch $(GPU)/results/runs.jsonl --directory $(GPU) --device cuda --workers 4 $(MINUTES:%=--minutes %)
	PYTHON="$(CURDIR)/.venv/bin/python" bash $(GPU)/results/measure.sh
	.venv/bin/snakemake --cores all --configfile config/gpu.yaml --directory $(GPU)

test: $(INSTALLED) ## run the tests that are quick, in up to four processes; TESTS= runs all of them
	.venv/bin/python -m pytest --ignore tests/cluster -m "$(TESTS)" --numprocesses auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)
	.venv/bin/python -m pytest tests/cluster -m "$(TESTS)" $(PYTEST_ARGS) || [ $$? -eq 5 ]  # 5: none was chosen

lint: $(INSTALLED) ## check the style of Python and Snakemake files
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile workflow
	.venv/bin/snakemake --lint

# Keeps the versions of the old lock that pyproject.toml still allows; delete the lock first to take the newest.
lock: $(INSTALLED) ## write envs/requirements.lock anew after a change of pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --extra workflow --extra test \
		--fork-strategy fewest --no-annotate --output-file envs/requirements.lock

clean: ## delete .venv and the caches of tools; data, checkpoints and results stay
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile

# Written last, so that an interrupted installation is repeated.
$(INSTALLED): envs/requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null || \
		{ echo "$(PYTHON) is missing or not Python 3.11 to 3.14; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks the venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing envs/requirements.lock into .venv, once: about 3 minutes and 6 GB ..."
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.lock
	@touch $@
