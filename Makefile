# make demo · make up · make down · make test · make test-faults · make test-fast · make coverage · make ui · make serve · make report · make ray · make lock
# make bench-modalities · make bench-encoders · make bench-evaluation · make bench-scale · make bench-serving
# make fuzz-sources · make fuzz-media CHANGES=2000
# make bench-growth · make bench-historical · make bench-materialize
# make nights DATA=folder
# make bench-env · make bench-quality DATA=folder · make bench-refitting DATA=folder · make bench-warm DATA=folder
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RAY_INSTALLED := $(VENV)/.ray_installed
PEERS := benchmarks/.venv
LOCKS := benchmarks/peers/environments
ENVIRONMENTS := $(basename $(notdir $(wildcard $(LOCKS)/*.in)))
PEERS_INSTALLED := $(ENVIRONMENTS:%=$(PEERS)/%/.installed)
WORKERS ?= 3
# Each process that tests has one core: threads and processes of its own would only wait for it.
# Tests start many processes: what Python compiles is kept for all of them, even if the shell forbids it.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 LOKY_MAX_CPU_COUNT=1 \
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal

.PHONY: demo up down test test-faults test-fast coverage kernels lint ui serve report ray pictures lock clean
.PHONY: bench-modalities bench-encoders bench-evaluation bench-scale bench-serving bench-env bench-quality
.PHONY: bench-growth bench-historical bench-materialize bench-refitting bench-warm nights fuzz-sources fuzz-media

demo: $(INSTALLED)
	@$(BIN)/crossmodal run --source sample
	@$(BIN)/crossmodal report --html $${CROSSMODAL_HOME:-.crossmodal}/report.html
	@$(BIN)/crossmodal report

test: $(INSTALLED)
	@$(MAKE) --no-print-directory --jobs 2 lint kernels
	$(PYTEST) -m "not faults"

# Numba's machine code. Without this, each process that tests would compile it for itself.
kernels: $(INSTALLED)
	@$(BIN)/python -m models.hmdf.compile_ahead

# Minutes of killed processes that are started again, and of nights that pass: continuous integration runs them too.
test-faults: $(RAY_INSTALLED)
	$(PYTEST) -m faults

# For the inner loop: no run of the platform, no service, no browser, no long training.
test-fast: $(INSTALLED)
	$(PYTEST) -m "not slow and not faults"

# Ten thousand tables in dialects of all kinds, written and read back: about ten minutes.
fuzz-sources: $(INSTALLED)
	POLARS_MAX_THREADS=1 $(BIN)/pytest tests/sources/strange/test_strange_dialects.py \
		--hypothesis-profile=ten-thousand-tables

# Each kind of media file with so many random changes: no crash, no hang, nothing called good that is not.
CHANGES ?= 2000
fuzz-media: $(INSTALLED)
	cd tests/models/media/strange && PYTHONPATH=..:../../../.. OMP_NUM_THREADS=1 \
		../../../../$(BIN)/python -m fuzzing $(CHANGES)

coverage: $(INSTALLED) $(RAY_INSTALLED)
	$(PYTEST) --cov --cov-report=term:skip-covered

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2 crossmodal sources models feature_repo assets serving orchestration
	$(BIN)/lint-imports

up: $(INSTALLED)
	@$(BIN)/crossmodal up

down: $(INSTALLED)
	@$(BIN)/crossmodal down

ui: $(INSTALLED)
	@$(BIN)/crossmodal ui

serve: $(INSTALLED)
	@$(BIN)/crossmodal serve

report: $(INSTALLED)
	@$(BIN)/crossmodal report --html report.html

# What CROSSMODAL_ENGINE=ray needs (docs/scale.md).
ray: $(RAY_INSTALLED)

pictures: $(INSTALLED)
	$(BIN)/python -m benchmarks.screenshots

bench-modalities: $(INSTALLED)
	$(BIN)/python -m benchmarks.modalities $(ARGS)

bench-encoders: $(INSTALLED)
	$(BIN)/python -m benchmarks.encoder_throughput $(ARGS)

bench-evaluation: $(INSTALLED)
	$(BIN)/python -m benchmarks.evaluation_speed $(ARGS)

bench-scale: $(INSTALLED)
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-growth: $(INSTALLED)
	$(BIN)/python -m benchmarks.growth $(ARGS)

# Without DATA, the nights are of the generated sample. Seven nights with 50 kills take hours.
nights: $(INSTALLED)
	$(BIN)/python -m benchmarks.nights $(if $(DATA),--data "$(DATA)") $(ARGS)

bench-historical: $(INSTALLED)
	$(BIN)/python -m benchmarks.historical_features $(ARGS)

bench-materialize: $(INSTALLED)
	$(BIN)/python -m benchmarks.materialization $(ARGS)

bench-serving: $(INSTALLED)
	$(BIN)/python -m benchmarks.serving $(ARGS)

bench-refitting: $(INSTALLED)
	@[ -n "$(DATA)" ] || { \
		echo "Name a MovieLens folder: make bench-refitting DATA=folder"; exit 1; }
	$(BIN)/python -m benchmarks.refitting "$(DATA)" $(ARGS)

bench-warm: $(INSTALLED)
	@[ -n "$(DATA)" ] || { \
		echo "Name a MovieLens folder: make bench-warm DATA=folder"; exit 1; }
	$(BIN)/python -m benchmarks.warm_start "$(DATA)" $(ARGS)

bench-env: $(PEERS_INSTALLED)

bench-quality: $(INSTALLED) $(if $(findstring --skip-peers,$(ARGS)),,$(PEERS_INSTALLED))
	@[ -n "$(DATA)" ] || { \
		echo "Name a MovieLens folder: make bench-quality DATA=folder"; exit 1; }
	$(BIN)/python -m benchmarks.quality "$(DATA)" $(ARGS)

lock: $(VENV)/bin/uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra dev \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	$(BIN)/python -c 'import tomllib; from pathlib import Path; \
		project = tomllib.loads(Path("pyproject.toml").read_text())["project"]; \
		print(*project["optional-dependencies"]["ray"], sep="\n")' \
		| $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
			--constraint requirements.lock --custom-compile-command "make lock" \
			--output-file requirements-ray.lock -
	for name in $(ENVIRONMENTS); do \
		$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
			--custom-compile-command "make lock" --output-file $(LOCKS)/$$name.txt $(LOCKS)/$$name.in || exit 1; \
	done

clean:
	rm -rf $(VENV) $(PEERS)

$(VENV)/bin/uv:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "Python 3.11 is missing: install it, or name another with make PYTHON=python3.12."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13: name one with make PYTHON=python3.12."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "No environment could be made: install Python's venv module (python3-venv on Debian)."; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check uv || { \
		echo "uv could not be installed: is there a network?"; rm -rf $(VENV); exit 1; }

$(INSTALLED): requirements.lock pyproject.toml | $(VENV)/bin/uv
	@free=$$(df -Pk . | awk 'NR == 2 {print int($$4 / 1048576)}'); \
		[ "$$free" -ge 8 ] || { echo "Installing needs 8 GB of disk; $$free GB are free here."; exit 1; }
	@echo "Installing (about 6 GB; a minute or two on a fast line) ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock || { \
		echo "The packages could not be installed: is there a network, and is the disk not full?"; exit 1; }
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e . 
	@touch $@

$(RAY_INSTALLED): requirements-ray.lock $(INSTALLED)
	@echo "Installing Ray (about 80 MB) ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements-ray.lock || { \
		echo "Ray could not be installed: is there a network, and is the disk not full?"; exit 1; }
	@touch $@

$(PEERS)/%/.installed: $(LOCKS)/%.txt | $(VENV)/bin/uv
	@echo "Installing the benchmark's peers of $* (up to 5 GB, most of it shared with $(VENV)) ..."
	@$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(PEERS)/$*
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(PEERS)/$*/bin/python --require-hashes \
		-r $< || { \
		echo "The peers of $* could not be installed: is there a network, and is the disk not full?"; exit 1; }
	@touch $@
