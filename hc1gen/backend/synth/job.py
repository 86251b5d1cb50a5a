"""One job: a module through yosys, its netlist and figures kept under a hash of all that they depend on."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

from ..folder.layout import SYNTHESES
from . import script
from .adders import map_adders
from .figures import Figures, measure
from .fold import fold_adders
from .jobs import Job, Sources
from .library import Library
from .netlist import Netlist
from .timing import delay
from .yosys import Yosys

OUT, STORE = SYNTHESES, "jobs"
"""Of a baked folder: what synthesis writes, and in it what it keeps for the next time."""
NETLIST, FIGURES = "netlist.v", "figures.json"


class Mapper:
    """Maps a chip's jobs to one library, or to generic gates, and keeps every result.

    A result appears whole or not at all, so that an interrupted run goes on where it stopped.
    """

    def __init__(self, library: Library | None, sources: Sources, work: Path, yosys: Yosys):
        store = sources.folder / OUT / STORE
        store.mkdir(parents=True, exist_ok=True)
        self._boxes = sources.boxes
        self.library, self._store, self._work, self._yosys = library, store, work, yosys
        self._liberty, self._split = work / "library.lib", work / "split.lib"
        self._salt = _salt(library)
        if library is not None:
            self._liberty.write_text(library.text)
            self._split.write_text(library.split_adders())

    def place(self, job: Job) -> Path:
        """The folder of a job's result, there or not."""
        digest = hashlib.sha256(self._salt + job.name.encode() + b"\n" + job.source.read_bytes())
        return self._store / digest.hexdigest()[:32]

    def known(self, job: Job) -> bool:
        """Whether the job was done before."""
        return (self.place(job) / FIGURES).is_file()

    def run(self, job: Job) -> Figures:
        """Do a job, if it was not done before; its figures."""
        place = self.place(job)
        if not self.known(job):
            folder = Path(tempfile.mkdtemp(prefix=f"{job.name}-", dir=self._work))
            figures = self._map(job, folder)
            done = folder / "done"
            done.mkdir()
            (folder / NETLIST).replace(done / NETLIST)
            (done / FIGURES).write_text(json.dumps(asdict(figures)))
            shutil.rmtree(place, ignore_errors=True)
            done.rename(place)
            shutil.rmtree(folder)
        return Figures(**json.loads((place / FIGURES).read_text()))

    def _map(self, job: Job, folder: Path) -> Figures:
        gates = folder / "gates.json"
        shutil.copyfile(job.source, folder / job.source.name)
        self._yosys.run(job.name, script.to_gates(job, self._boxes.values(), gates), folder)
        netlist = Netlist.read(gates, job.name)
        fold_adders(netlist)
        map_adders(netlist, self.library)
        netlist.write(gates)
        mappers = script.MAPPERS if self.library and job.kind != "tile" else script.MAPPERS[:1]
        found = [self._map_by(mapper, job, gates, folder / str(i)) for i, mapper in enumerate(mappers)]
        figures, netlist, verilog = min(found, key=lambda result: result[0].area_um2)
        verilog.replace(folder / NETLIST)
        if self.library is None:
            return figures
        delay_ps, buffers = delay(netlist, self.library, self._split, folder)
        area = round(buffers * self.library.buffer.area, 4)
        return replace(figures, delay_ps=delay_ps, buffers=buffers, buffer_um2=area)

    def _map_by(self, mapper: str, job: Job, gates: Path, folder: Path) -> tuple[Figures, Netlist, Path]:
        """Figures without delay, JSON and Verilog of what one ABC script makes of a job's gates."""
        folder.mkdir()
        mapped, verilog = folder / "mapped.json", folder / NETLIST
        self._yosys.run(job.name, script.to_cells(job, gates, self.library, self._liberty, mapper, mapped, verilog))
        netlist = Netlist.read(mapped, job.name)
        return measure(netlist, self.library, self._boxes), netlist, verilog


def _salt(library: Library | None) -> bytes:
    """What all jobs depend on: the library, yosys, and this package."""
    digest = hashlib.sha256(metadata.version("pyosys").encode())
    digest.update(library.digest.encode() if library else b"generic")
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.digest()
