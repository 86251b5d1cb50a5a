# make demo    install everything, bake the embedded model, build the chip, let it tell a story
# make test    install everything, run the unit tests and the cocotb regressions
# The rest: see `make help`.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
NAME   ?= tinystories-w3
MODEL  ?= hc1gen/models/$(NAME)
DRAFT  ?= $(wildcard $(MODEL)-draft)
DESIGN ?= rtl_out/$(NAME)
JOBS   ?= 2

.PHONY: help install demo test unit bake sim sim-full lint check docs synth-check mutate formal gate train-check flow-check fpga bench clean

help:
	@echo "demo         bake, build, talk: the embedded model end to end"
	@echo "test         unit tests and cocotb regressions (about 20 minutes on 2 cores)"
	@echo "unit         the unit tests alone, under tests/"
	@echo "bake         write the Verilog of MODEL=$(MODEL), with its draft, to $(DESIGN)"
	@echo "sim          the cocotb regressions: every block, a layer, small chips, the baked chip"
	@echo "sim-full     every test there is, mutations and another full-size chip included"
	@echo "lint         verilator -Wall on what bake wrote"
	@echo "check        ruff and mypy on the source"
	@echo "docs         build the pages of docs/ as a site in build/site, and check their links"
	@echo "synth-check  yosys reads and elaborates the whole chip, generic cells"
	@echo "mutate       break the chip in many ways and see the tests fail"
	@echo "formal       prove the circuits of speculation, and see the proofs of broken ones fail"
	@echo "gate         simulate a small chip as netlists of cells: tiles, a layer, the whole"
	@echo "train-check  the tests of hc1gen train, in an environment with PyTorch"
	@echo "flow-check   LibreLane reads the configurations that bake writes for it"
	@echo "fpga         a small chip through yosys and nextpnr to a bitstream; utilisation and Fmax"
	@echo "bench        measure: see benchmarks/README.md"

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,docs]'
	touch $@

install: $(VENV)/installed

demo: install
	$(BIN)/hc1gen demo

test: unit sim

unit: install
	$(BIN)/pytest -n $(JOBS) tests

bake: install
	$(BIN)/hc1gen bake $(MODEL) $(if $(DRAFT),--draft $(DRAFT)) -o $(DESIGN)

sim: install
	$(BIN)/pytest -n $(JOBS) verif

sim-full: install
	$(BIN)/pytest -n $(JOBS) -m "slow or not slow"

lint: bake
	$(BIN)/python -m hc1gen.backend.lint $(DESIGN)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install
	$(BIN)/mkdocs build --quiet --strict

synth-check: bake
	$(BIN)/python -m hc1gen.backend.elaborate $(DESIGN)

mutate: install
	$(BIN)/pytest -n $(JOBS) verif -m mutation

formal: install
	$(BIN)/pytest -n $(JOBS) verif/formal -m formal

gate: install
	$(BIN)/pytest -n $(JOBS) verif/gate -m gate

train-check:
	$(PYTHON) -m venv build/train
	build/train/bin/pip install --quiet --disable-pip-version-check -e '.[dev,train]'
	build/train/bin/pytest -n 1 tests/train

flow-check:
	$(PYTHON) -m venv build/librelane
	build/librelane/bin/pip install --quiet --disable-pip-version-check -e '.[librelane]' pytest
	build/librelane/bin/pytest tests/backend/flow

fpga: install
	$(BIN)/python benchmarks/run.py --only fpga

bench: bake
	$(BIN)/python benchmarks/run.py $(DESIGN)

clean:
	rm -rf $(VENV) rtl_out/*/ verif/sim_build build
