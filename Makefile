# What people and CI call. `make PYTHON=python3.12 test` picks another interpreter.

PYTHON ?= python3
SPEC ?= sweeps/specs/laptop.yaml
PROMPTS ?= shipped
MODEL ?= boolq
JOBS ?= 2
TEXT ?= passage: The bag was painted black. question: was the bag painted white

VENV := .venv
BIN := $(VENV)/bin
# One stamp for each interpreter asked for: another name looks at the environment again.
INSTALLED := $(VENV)/installed-with-$(subst /,-,$(PYTHON))

# Compares what two interpreters say of themselves.
VERSION := -c 'import sys; print(sys.version)'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install sweep figures serve ask bench test test-slow lint format clean

help:
	@echo 'make sweep      install, run $(SPEC), draw its figures'
	@echo 'make figures    draw the figures of $(SPEC) again'
	@echo 'make serve      serve the prompts that ship, or PROMPTS=..., on port 8000'
	@echo 'make ask        one answer of a shipped prompt, or of MODEL=... to TEXT=...'
	@echo 'make test       the tests'
	@echo 'make test-slow  the tests that kill processes or run for minutes'
	@echo 'make bench      speed and memory against the peers: hours, on an idle machine'
	@echo 'make lint       ruff, mypy and the directions of imports'
	@echo 'make format     let ruff order imports and lay out the code'
	@echo 'make clean      remove $(VENV) and caches; results stay'
	@echo 'Variables: PYTHON (3.11 or later), SPEC, and JOBS, processes of the tests:' \
	  'now $(PYTHON), $(SPEC) and $(JOBS)'

install: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c '' || \
	  { echo '$(PYTHON) does not run: install Python 3.11 or later, or say where it is:' \
	         'make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1) and 3.11 or later is needed:" \
	         'make PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo '$(PYTHON) cannot make virtual environments: install its venv module' \
	         '(on Debian and Ubuntu: apt-get install python3-venv)' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 && \
	  test "$$($(BIN)/python $(VERSION))" = "$$($(PYTHON) $(VERSION))" || \
	  $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing what constraints.txt pins into $(VENV): some minutes, once'
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --editable '.[dev,serve,reports]'
	@touch $@

sweep: $(INSTALLED)
	@# Trials that failed (1) leave the others to be drawn; a spec that is wrong (2) leaves nothing.
	$(BIN)/python -m sweeps run $(SPEC); ran=$$?; test $$ran -le 1 || exit $$ran; \
	  $(BIN)/python -m analysis figures $(SPEC) && exit $$ran

figures: $(INSTALLED)
	$(BIN)/python -m analysis figures $(SPEC)

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

serve: $(INSTALLED)
	$(BIN)/python -m runners.serving $(PROMPTS)

ask: $(INSTALLED)
	@echo '$(MODEL): $(TEXT)'
	@$(BIN)/python -m runners.serving $(PROMPTS) --ask '$(MODEL)' '$(TEXT)'

# One thread a process, so that two cores are shared and not fought over; and no hub.
test test-slow: export OMP_NUM_THREADS := 1
test test-slow: export HF_HUB_OFFLINE := 1

test: $(INSTALLED)
	@# Whole files go to one process, for their fixtures are made once.
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find runners ablation sweeps analysis tests -name __pycache__ -type d -prune -exec rm -rf {} +
