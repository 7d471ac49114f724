# Everything here sets itself up: it needs Python 3.11 or newer, make and a C compiler, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check lock starter clean

demo: $(READY)  ## The whole story: photos, a service, a drift, a better model, and an HTML report. PHOTOS=path for yours.
	@$(BIN)/dentwatch demo $(if $(PHOTOS),"$(PHOTOS)")

test: check  ## Format, types, layers and tests.
	@$(BIN)/pytest -n 3 --dist loadgroup --no-loadscope-reorder

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

# The lock names every package but the libraries that PyTorch asks for itself, which differ from machine to machine, and
# opencv-python, which LibreYOLO asks for and which opencv-python-headless stands in for (both write the same files, and
# only the headless one starts on a machine without a screen). All cores compile the packages to bytecode, where pip would
# take one; a few packages carry files that are not for this Python, and those stay as they are.
$(READY): requirements.lock pyproject.toml setup.py $(wildcard src/dentwatch/data/dc_jpeg/*) src/dentwatch/monitoring/drift/recursion.c
	@echo "Setting up $(VENV): a few minutes the first time (PyTorch is large)."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile -c requirements.lock torch torchvision
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $(READY)

lock:  ## Resolve the newest versions anew into requirements.lock.
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install -qq --disable-pip-version-check '.[dev]'
	@build/lock/bin/python -m pip freeze --exclude dentwatch \
	  | grep -E '^[A-Za-z0-9._-]+==' | grep -vE '^(nvidia|cuda|triton|opencv-python=)' > requirements.lock
	@rm -rf build/lock

starter: $(READY)  ## Make the starter model that ships in the package (about an hour on two cores).
	@$(BIN)/python -m dentwatch.training.starter

clean:
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache src/dentwatch/data/_*.*so src/dentwatch/monitoring/drift/_recursion.*so \
	  src/*.egg-info
