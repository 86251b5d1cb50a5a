"""Configuration for OpenROAD-flow-scripts: the chip, and every tile as one of its `BLOCKS`.

The flow finds block B's configuration in folder B beside the chip's, and its results by `DESIGN_NICKNAME`_B.
"""

from collections.abc import Iterable, Iterator, Sequence

from ..folder.modules import MemoryModule
from .design import Design, told

FOLDER = "flow/orfs"
UTILISATION = 40
"""Per cent of the core that cells fill before routing: the platforms' own examples start between 30 and 60."""
MACRO_UTILISATION = 60
"""Per cent of the chip's core: most of it is hardened blocks, which need no room for wires inside."""
HERE = "$(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))"
VIEWS = ("LEF", "LIB", "GDS")


def files(design: Design) -> dict[str, Iterable[str]]:
    """Path → lines."""
    blocks = {f"{FOLDER}/{tile}/config.mk": _block(design, tile) for tile in design.tiles}
    return {
        f"{FOLDER}/config.mk": _chip(design),
        f"{FOLDER}/common.mk": _common(),
        f"{FOLDER}/memories.mk": _memories(design.memories),
        **blocks,
    }


def _common() -> Iterator[str]:
    yield "# What the chip and its blocks have in common; every ?= can be set on the command line."
    yield f"HC1GEN := $(abspath {HERE}/../..)"
    yield "CHIP_NICKNAME ?= $(notdir $(HC1GEN))"
    yield "export PLATFORM ?= sky130hd"
    yield "export SDC_FILE ?= $(HC1GEN)/flow/chip.sdc"


def _block(design: Design, tile: str) -> Iterator[str]:
    sources = design.block(tile)
    yield f"# Tile {tile} as a block of the chip."
    yield f"include {HERE}/../common.mk"
    yield f"export DESIGN_NAME = {tile}"
    yield f"export DESIGN_NICKNAME = $(CHIP_NICKNAME)_{tile}"
    yield f"export VERILOG_FILES = {_list(sources)}"
    if sources[-1].endswith(".sv"):
        yield "export SYNTH_HDL_FRONTEND = slang"
    yield f"export CORE_UTILIZATION ?= {UTILISATION}"


def _chip(design: Design) -> Iterator[str]:
    yield "# The chip: make DESIGN_CONFIG=.../flow/orfs/config.mk in OpenROAD-flow-scripts' folder `flow`."
    yield "# The blocks' views are made first; tiles and memories have no Verilog here, their Liberty stands for them."
    yield f"include {HERE}/common.mk"
    yield "include $(HC1GEN)/flow/orfs/memories.mk"
    yield "export DESIGN_NAME = chip"
    yield "export DESIGN_NICKNAME = $(CHIP_NICKNAME)"
    yield f"export VERILOG_FILES = $(MEMORY_VERILOG) {_list(design.logic)}"
    yield "export SYNTH_HIERARCHICAL = 1"
    yield f"export BLOCKS = {_lines(design.tiles)}"
    yield f"export CORE_UTILIZATION ?= {MACRO_UTILISATION}"


def _memories(memories: Sequence[MemoryModule]) -> Iterator[str]:
    names = [memory.name.upper() for memory in memories]
    yield "# SRAM macros of the chip's memories: set these, on the command line or in the file that MEMORIES names."
    yield "# _LEF, _LIB, _GDS: views of the macros, several where a memory is made of several;"
    yield "# _V: Verilog of a module of the memory's name that instantiates them, unless a macro has that name."
    yield "MEMORIES ?="
    yield "ifneq ($(MEMORIES),)"
    yield "include $(MEMORIES)"
    yield "endif"
    for memory, name in zip(memories, names, strict=True):
        yield f"# {told(memory)}"
        yield from (f"{name}_{view} ?=" for view in (*VIEWS, "V"))
    yield f"NEEDED := {_lines(f'{name}_{view}' for name in names for view in VIEWS)}"
    yield "MISSING := $(foreach view,$(NEEDED),$(if $($(view)),,$(view)))"
    yield "ifneq ($(strip $(MISSING)),)"
    yield "$(error memories without a macro would become flip-flops; set $(strip $(MISSING)))"
    yield "endif"
    yield "MEMORY_VERILOG = " + " ".join(f"$({name}_V)" for name in names)
    for variable, view in zip(("ADDITIONAL_LEFS", "ADDITIONAL_LIBS", "ADDITIONAL_GDS"), VIEWS, strict=True):
        yield f"export {variable} = $(sort {' '.join(f'$({name}_{view})' for name in names)})"


def _list(paths: Iterable[str]) -> str:
    return _lines(f"$(HC1GEN)/{path}" for path in paths)


def _lines(words: Iterable[str]) -> str:
    """Words, one a line, as make continues them."""
    return " \\\n    ".join(["", *words]).lstrip(" ") if words else ""
