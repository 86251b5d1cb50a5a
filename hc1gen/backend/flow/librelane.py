"""Configuration for LibreLane: the chip, and every tile hardened before it as a macro, on sky130A.

Paths that begin with `dir::` are relative to the configuration's folder. A macro's views lie in `macros/NAME/`, in the
layout in which LibreLane saves them (`--save-views-to`).
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .design import Design, told
from .orfs import MACRO_UTILISATION, UTILISATION
from .sdc import CLOCK_NS

FOLDER = "flow/librelane"
ROOT = "dir::../.."
CORNERS = {
    f"*_{corner}": f"nom_{corner}/{{name}}__nom_{corner}.lib"
    for corner in ("tt_025C_1v80", "ss_100C_1v60", "ff_n40C_1v95")
}
"""Timing of a tile as LibreLane saves it, by the corners of sky130A."""
Config = dict[str, Any]


def files(design: Design) -> dict[str, Iterable[str]]:
    """Path → lines."""
    blocks = {f"{FOLDER}/{tile}.json": _text(_block(design, tile)) for tile in design.tiles}
    return {
        f"{FOLDER}/config.json": _text(_chip(design)),
        f"{FOLDER}/Makefile": _makefile(design),
        **blocks,
    }


def _text(config: Config) -> list[str]:
    return [json.dumps(config, indent=2)]


def _common(name: str, sources: Iterable[str], utilisation: int) -> Config:
    return {
        "meta": {"version": 3, "flow": "Classic"},
        "PDK": "sky130A",
        "DESIGN_NAME": name,
        "VERILOG_FILES": [f"{ROOT}/{path}" for path in sources],
        "CLOCK_PORT": "clk",
        "CLOCK_PERIOD": CLOCK_NS,
        "PNR_SDC_FILE": "dir::../chip.sdc",
        "SIGNOFF_SDC_FILE": "dir::../chip.sdc",
        "FP_SIZING": "relative",
        "FP_CORE_UTIL": utilisation,
    }


def _block(design: Design, tile: str) -> Config:
    """A tile: its power straps end below the layer on which the chip's cross them."""
    sources = design.block(tile)
    slang = {"USE_SLANG": True} if sources[-1].endswith(".sv") else {}
    return _common(tile, sources, UTILISATION) | slang | {
        "RT_MAX_LAYER": "met4",
        "PDN_MULTILAYER": False,
    }  # fmt: skip


def _chip(design: Design) -> Config:
    """The chip: hierarchy is kept until cells are mapped, since blocks of a kind are synthesised once."""
    macros = {tile: _macro(tile, CORNERS) for tile in design.tiles}
    macros |= {memory.name: _macro(memory.name, {"*": "{name}.lib"}) for memory in design.memories}
    return _common("chip", design.logic, MACRO_UTILISATION) | {
        "SYNTH_HIERARCHY_MODE": "deferred_flatten",
        "MACROS": macros,
    }


def _macro(name: str, libraries: dict[str, str]) -> Config:
    """`libraries`: corner → file of the macro's timing."""
    views = f"dir::macros/{name}"
    return {
        "gds": [f"{views}/gds/{name}.gds"],
        "lef": [f"{views}/lef/{name}.lef"],
        "lib": {corner: [f"{views}/lib/{file.format(name=name)}"] for corner, file in libraries.items()},
        "instances": {},
    }


def _makefile(design: Design) -> Iterator[str]:
    yield "# make: hardens every tile, places them, then the chip. The memories' macros lie in macros/NAME/ before:"
    yield from (f"# {told(memory)}" for memory in design.memories)
    yield "# gds/NAME.gds, lef/NAME.lef, lib/NAME.lib. What hc1gen synth says for sky130 has to be there, too."
    yield "LIBRELANE ?= librelane"
    yield "PYTHON ?= python3"
    yield f"TILES = {' '.join(design.tiles)}"
    yield ""
    yield "chip: places.json"
    yield "\t$(LIBRELANE) config.json places.json"
    yield ""
    yield "places.json: $(TILES:%=macros/%/done)"
    yield "\t$(PYTHON) -m hc1gen.backend.flow.places ../.."
    yield ""
    yield "macros/%/done: %.json"
    yield "\t$(LIBRELANE) --save-views-to macros/$* $<"
    yield "\ttouch $@"
    yield ""
    yield ".PHONY: chip"
