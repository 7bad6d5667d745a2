# `make book` and `make test`, set-up included. The work is Snakemake's and pytest's.
PYTHON ?= python3
CORES ?= all
PIP_OPTIONS ?=
STAMP := .venv/.installed
SNAKEMAKE := .venv/bin/snakemake --cores $(CORES)

.PHONY: book pdf test fuzz lock clean clean-results real-models real real-gates
.DEFAULT_GOAL := book

$(STAMP): requirements.lock requirements-torch.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else f"Python 3.11 to 3.13 is needed, {sys.executable} is {sys.version.split()[0]}; say make PYTHON=/path/to/python3.11")'
	@echo "Setting up .venv (once, a few minutes) ..."
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet $(PIP_OPTIONS) --require-hashes --no-deps -r requirements.lock
	@.venv/bin/python -m pip install --quiet $(PIP_OPTIONS) -r requirements-torch.lock
	@.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

book: $(STAMP)
	@$(SNAKEMAKE) $(ARGS)

# one table or figure, with the runs that it needs: make table08
table% figure%: $(STAMP)
	@$(SNAKEMAKE) --config 'exhibits=[$@]' $(ARGS)

pdf: $(STAMP)
	@$(SNAKEMAKE) pdf $(ARGS)

# the small models of scale real, pretrained on a folder of text; hours, and the same command goes on after a stop
real-models: $(STAMP)
	@test -n "$(TEXT)" || { echo "make real-models TEXT=DIR: DIR holds .txt or .txt.xz files; what is asked of them: .venv/bin/ssmpeft encode-text --help"; exit 2; }
	@$(SNAKEMAKE) -s workflow/real_models.smk --quiet rules --rerun-incomplete --config text="$(abspath $(TEXT))" models="$(MODELS)" tokens="$(TOKENS)" $(ARGS)

# the protocol of scale real on a folder of original data, into recorded/; the same command goes on after a stop, and
# CELLS="mamba-130m/bitfit/dart/seed0 ..." runs single cells again and says whether they come to the recorded numbers
SSMPEFT := .venv/bin/python -m ssmpeft_lib
REAL := --configfile workflow/configs/real.yaml --config data_dir="$(abspath $(DATA))"
real: $(STAMP)
	@test -d "$(DATA)" || { echo "make real DATA=DIR: DIR holds the original files, one folder a data set, such as dart/ and glue/SST-2/"; exit 2; }
	@test -n "$(wildcard recorded/checkpoints/*/model.json)" || { echo "There is no model in recorded/checkpoints/: make real-models TEXT=DIR pretrains them, and those in results/real-models/checkpoints/ are copied there."; exit 2; }
ifdef CELLS
	@$(SNAKEMAKE) $(CELLS:%=results/real/cells/%/metrics.json) $(REAL) --rerun-incomplete $(ARGS)
	@$(SSMPEFT) agree recorded/real.tar.gz $(addprefix real/,$(CELLS))
else
	@$(SNAKEMAKE) cells $(REAL) --rerun-incomplete $(ARGS)
	@$(SSMPEFT) pack recorded/real.tar.gz --scale real --without-texts
	@.venv/bin/python benchmarks/real_signal.py --output recorded/real_signal.json || echo "Not every gate is passed: what the runs say is shown with that."
	@$(SSMPEFT) answers recorded/real.tar.gz --output recorded/answers.json
endif

# whether the models are good enough to compare methods on, before all of it is run: 66 cells, which the protocol keeps
real-gates: $(STAMP)
	@test -d "$(DATA)" || { echo "make real-gates DATA=DIR: the folder of original files, as for make real"; exit 2; }
	@$(SNAKEMAKE) $$(.venv/bin/python benchmarks/real_signal.py --cells) $(REAL) --rerun-incomplete $(ARGS)
	@.venv/bin/python benchmarks/real_signal.py --output recorded/real_signal.json

test: $(STAMP)
	@.venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

# 100,000 damaged inputs for every parser, other ones at each call; the tests try 5,000
fuzz: $(STAMP)
	@SSMPEFT_FUZZ=100000 .venv/bin/python -m pytest tests/test_fuzz.py $(ARGS)

lock: $(STAMP)
	@.venv/bin/python workflow/scripts/lock.py

# the environment and the logs; results stay
clean:
	rm -rf .venv logs

clean-results:
	@test -d results || { echo "There are no results."; exit 0; }; du -sh results/*/; \
	read -p "Remove them all? At scale paper they took thousands of GPU-hours. (yes/no) " answer; \
	if [ "$$answer" = yes ]; then rm -rf results .snakemake; else echo "Nothing was removed."; fi
