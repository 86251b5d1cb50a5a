"""A chip as netlists of cells: the files to simulate in place of its RTL."""

import random
import re
from dataclasses import dataclass
from pathlib import Path

from bench.runner import lock
from designs import Design

from hc1gen.backend.synth import jobs, library
from hc1gen.backend.synth.job import OUT
from hc1gen.backend.synth.models import cell_models
from hc1gen.backend.synth.run import GENERIC, synthesise
from hc1gen.backend.synth.yosys import Yosys

HERE = Path(__file__).parent
PDK = HERE.parents[2] / "shared" / "pdk"
SKY130 = PDK / "sky130_fd_sc_hd__tt_025C_1v80.lib.gz"


@dataclass(frozen=True)
class Mapped(Design):
    """A baked chip whose netlists lie in `netlists`; `cells` are the models of what they are made of."""

    netlists: Path
    cells: Path

    @property
    def common(self) -> list[Path]:
        """What every netlist needs: a control file and the cells."""
        return [HERE / "gates.vlt", self.cells]

    @property
    def sources(self) -> list[Path]:
        """Netlists, cells, and memories, which stay what they are; Verilator's control files first."""
        plan = jobs.read(self.folder)
        names = [job.name for job in plan.jobs] + [path.stem for path in plan.netlists]
        return [self.baked.waivers, *self.common, *(memory.source for memory in plan.memories),
                *(self.netlists / f"{name}.v" for name in names)]  # fmt: skip


def mapped(chip: Design, liberty: Path | None) -> Mapped:
    """The chip on the cells of a library, or on generic ones."""
    files, runner = [liberty] if liberty else [], Yosys()
    with lock(chip.folder / OUT):
        report = synthesise(chip.folder, files)
        netlists = chip.folder / OUT / (report.library or GENERIC)
        cells = netlists / "cells.v"
        try:
            cells.write_text(cell_models(library.load(files, runner) if files else None, runner))
        finally:
            runner.stop()
    return Mapped(chip.folder, netlists, cells)


def broken(netlist: Path, out: Path, seed: int) -> Path:
    """A copy of a netlist in which one cell, which the seed chooses, gets one of its inputs inverted."""
    text = netlist.read_text()
    pin = random.Random(seed).choice([*re.finditer(r"(?<=\.[aA]\().*(?=\),)", text)])
    path = out / netlist.name
    path.write_text(f"{text[: pin.start()]}~({pin[0]}){text[pin.end() :]}")
    return path
