"""How long a mapped module's logic takes, by ABC and the library's tables."""

import os
import re
import subprocess
from collections.abc import Iterator
from importlib import util
from pathlib import Path

from ...errors import CheckFailed, ToolMissing
from .figures import logic_of
from .library import Library
from .netlist import Netlist

MOST_READERS = 16
"""Of a net without a buffer: what placement would put in between is counted, and is in the delay."""


def delay(netlist: Netlist, library: Library, liberty: Path, folder: Path) -> tuple[float, int]:
    """The slowest path between registers and ports by ABC's `stime`, in picoseconds, and the buffers that it takes.

    `liberty` is the library with its adders split (`Library.split_adders`), as ABC times cells of one output only.
    Files are left in `folder`.
    """
    lines, blif = list(_blif(netlist, library)), folder / f"{netlist.name}.blif"
    if ".outputs " in lines:
        return 0.0, 0  # no path through logic
    blif.write_text("\n".join(lines) + "\n")
    script = f"read_lib {os.path.relpath(liberty, folder)}; read_blif {blif.name}; topo; stime; "
    script += f"buffer -N {MOST_READERS}; topo; stime"
    done = subprocess.run([str(abc()), "-c", script], capture_output=True, text=True, cwd=folder, check=False)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    found = re.findall(r"Gates\s*=\s*(\d+).*Delay\s*=\s*([\d.]+)\s*ps", plain)
    if len(found) != 2:
        raise CheckFailed(f"{netlist.name}: ABC gives no delay: {plain[-500:]}")
    (gates, _), (more, picoseconds) = found
    return float(picoseconds), int(more) - int(gates)


def abc() -> Path:
    """The ABC that comes with pyosys."""
    spec = util.find_spec("pyosys")
    path = Path(next(iter(spec.submodule_search_locations or []), "")) / "yosys-abc" if spec else None
    if path is None or not path.is_file():
        raise ToolMissing("yosys-abc: not beside pyosys; pip install 'hc1gen[synth]'")
    return path


def _blif(netlist: Netlist, library: Library) -> Iterator[str]:
    """The logic between registers as gates; what registers give is an input, what they take an output."""
    logic, used = list(logic_of(netlist, library)), library.cells
    driven = {pins[pin] for _, pins, outputs in logic for pin in outputs if pin in pins}
    read = {net for _, pins, outputs in logic for pin, net in pins.items() if pin not in outputs}
    state = {
        net
        for cell in netlist.cells.values()
        if cell["type"] not in used or not used[cell["type"]].combinational
        for nets in cell["connections"].values()
        for net in nets
    }
    ends = sorted(n for n in driven & (state | set(netlist.outputs)) if isinstance(n, int))
    yield f".model {netlist.name}"
    # Constants are inputs as well: with anything but gates ABC takes the network for one that is not mapped.
    yield ".inputs " + " ".join(f"n{net}" for net in sorted(read - driven, key=str))
    yield ".outputs " + " ".join(f"n{net}" for net in ends)
    for kind, pins, outputs in logic:
        split = len(outputs) > 1
        for output in outputs:
            if output in pins:
                nets = {pin: net for pin, net in pins.items() if pin not in outputs or pin == output}
                yield f".gate {kind}{'_' + output if split else ''} " + " ".join(f"{p}=n{n}" for p, n in nets.items())
    yield ".end"
