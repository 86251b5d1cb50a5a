"""`python -m hc1gen.backend.flow.places RTL_DIR`: where LibreLane puts the macros of a chip, which it wants to be told.

Sizes come from the hardened macros' LEF files in `flow/librelane/macros/`, the room for cells from the report that
`hc1gen synth` wrote for the library. The macros stand in rows, the cells in the channels between them and above them.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, problem
from .. import check
from ..folder.chip_folder import ChipFolder
from .librelane import FOLDER
from .orfs import UTILISATION

CONFIG, PLACES = f"{FOLDER}/config.json", f"{FOLDER}/places.json"
CHANNEL = 40.0
"""µm on each side of a macro, for power straps and the wires of its pins; a starting point."""
GRID = 5.44
"""µm: two rows of sky130's cells; macros and die are aligned to it."""
REPORTS = "synth/sky130_fd_sc_hd*/report.json"
INSTANCE = re.compile(r"^ +\\?([\w.$]+) +\\?([\w.$]+) +\($", re.M)
MODULE = re.compile(r"^module \\?([\w.$]+)", re.M)
SIZE = re.compile(r"^\s*SIZE\s+([\d.]+)\s+BY\s+([\d.]+)", re.M)


@dataclass(frozen=True)
class Macro:
    """An instance (`path` from the top, dots between the levels) of a macro `width` by `height` µm."""

    path: str
    module: str
    width: float
    height: float


def instances(folder: ChipFolder, macros: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(path, module) of every instance of `macros` in the chip, as its Verilog says."""
    inside: dict[str, list[tuple[str, str]]] = {}
    for text in (file.read_text() for file in (*folder.blocks.values(), *folder.netlists.values())):
        starts = [*MODULE.finditer(text)]
        ends = [start.start() for start in starts[1:]] + [len(text)]
        for start, end in zip(starts, ends, strict=True):
            inside[start[1]] = INSTANCE.findall(text, start.end(), end)
    wanted, todo = {*macros}, [("", folder.manifest.top)]
    while todo:
        path, module = todo.pop()
        if module in wanted:
            yield path, module
        else:
            prefix = f"{path}." if path else ""
            todo += [(prefix + name, kind) for kind, name in inside.get(module, ())]


def rows(macros: Iterable[Macro], logic: float) -> tuple[dict[str, tuple[float, float]], float, float]:
    """Lower left corners by path, and width and height of the die: macros in rows, the tallest first.

    logic: µm² of cells that are no macro's.
    """
    order = sorted(macros, key=lambda m: (-m.height, -m.width, m.path))
    area = sum((m.width + 2 * CHANNEL) * (m.height + 2 * CHANNEL) for m in order) + 100 * logic / UTILISATION
    width = _up(max(area**0.5, *(m.width + 2 * CHANNEL for m in order)))
    places, x, y, row = {}, 0.0, 0.0, 0.0
    for m in order:
        if x + m.width + 2 * CHANNEL > width:
            x, y, row = 0.0, y + row, 0.0
        places[m.path] = (_up(x + CHANNEL), _up(y + CHANNEL))
        x, row = _up(x + m.width + 2 * CHANNEL), max(row, _up(m.height + 2 * CHANNEL))
    return places, width, _up(max(y + row, area / width))


def _up(length: float) -> float:
    return round(-(-length // GRID) * GRID, 3)


def places(folder: ChipFolder, logic: float, config: Mapping[str, Any]) -> dict[str, Any]:
    """LibreLane's configuration of the die and of every macro's place. `InputError` where a macro has no LEF file."""
    rtl_dir = folder.path
    sizes, problems = {}, []
    for module in config["MACROS"]:
        lef = rtl_dir / FOLDER / "macros" / module / "lef" / f"{module}.lef"
        found = SIZE.search(lef.read_text()) if lef.is_file() else None
        if found is None:
            problems.append(problem(module, f"no size in {lef.relative_to(rtl_dir)}", "a LEF file", "harden it first"))
        else:
            sizes[module] = float(found[1]), float(found[2])
    if problems:
        raise InputError(rtl_dir, problems)
    macros = [Macro(path, module, *sizes[module]) for path, module in instances(folder, sizes)]
    corners, width, height = rows(macros, logic)
    placed: dict[str, dict[str, Any]] = {module: {} for module in config["MACROS"]}
    for macro in macros:
        placed[macro.module][macro.path] = {"location": [*corners[macro.path]], "orientation": "N"}
    return {
        "meta": config["meta"],
        "FP_SIZING": "absolute",
        "DIE_AREA": [0, 0, width, height],
        "MACROS": {name: macro | {"instances": placed[name]} for name, macro in config["MACROS"].items()},
    }


def logic_area(rtl_dir: Path) -> float:
    """µm² of all cells outside tiles and memories, from the newest report of `hc1gen synth` for sky130."""
    reports = sorted(rtl_dir.glob(REPORTS), key=lambda path: path.stat().st_mtime)
    if not reports:
        raise InputError(
            rtl_dir, problem("synthesis report", "none", REPORTS, "run hc1gen synth with sky130's Liberty")
        )
    kinds = json.loads(reports[-1].read_text())["kinds"]
    return sum(found["area_um2"] for kind, found in kinds.items() if kind != "tile")


def write(rtl_dir: Path) -> str:
    """Write `PLACES` into a baked folder; what is said of it."""
    folder = ChipFolder.read(rtl_dir)
    config = places(folder, logic_area(rtl_dir), json.loads((rtl_dir / CONFIG).read_text()))
    (rtl_dir / PLACES).write_text(json.dumps(config, indent=2) + "\n")
    _, _, width, height = config["DIE_AREA"]
    count = sum(len(macro["instances"]) for macro in config["MACROS"].values())
    return f"{count} macros on {width / 1000:.2f} x {height / 1000:.2f} mm, in {PLACES}"


if __name__ == "__main__":
    sys.exit(check.run(write))
