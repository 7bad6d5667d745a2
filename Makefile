# `make book` and `make test`, set-up included. The work is Snakemake's and pytest's.
PYTHON ?= python3
CORES ?= all
PIP_OPTIONS ?=
STAMP := .venv/.installed
SNAKEMAKE := .venv/bin/snakemake --workflow-profile workflow/profiles/default --cores $(CORES)

.PHONY: book pdf test lock clean
.DEFAULT_GOAL := book

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else f"Python 3.11 to 3.13 is needed, {sys.executable} is {sys.version.split()[0]}; say make PYTHON=/path/to/python3.11")'
	@echo "Setting up .venv (once, a few minutes) ..."
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet $(PIP_OPTIONS) -r requirements.lock
	@.venv/bin/python -m pip install --quiet --no-deps -e .
	@touch $@

book: $(STAMP)
	@$(SNAKEMAKE) $(ARGS)

pdf: $(STAMP)
	@$(SNAKEMAKE) pdf $(ARGS)

test: $(STAMP)
	@.venv/bin/python -m pytest -n auto --dist loadfile $(ARGS)

lock: $(STAMP)
	@.venv/bin/python workflow/scripts/lock.py

clean:
	rm -rf .venv results logs .snakemake
