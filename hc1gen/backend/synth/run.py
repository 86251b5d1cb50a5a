"""A whole chip: its jobs in parallel, the netlists and the report in one folder, which appears when all is there."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from ...progress import Progress, silent
from . import jobs, library, report, yosys
from .figures import Figures
from .job import NETLIST, OUT, Mapper
from .jobs import Sources
from .models import cell_models
from .report import SynthesisReport

STAGE = "synthesis"
"""Its progress is counted in modules; the detail is the one that is done."""

REPORT, MODELS = "report.json", "models/cells.v"
GENERIC = "generic"


def synthesise(
    rtl_dir: Path, liberty: Sequence[Path], dont_use: Iterable[str] = (), gates: bool = False, workers: int = 0,
    progress: Progress = silent,
) -> SynthesisReport:  # fmt: skip
    """Map the chip in `rtl_dir` and write `rtl_dir/synth/NAME/`: a netlist per module and `report.json`, what is
    returned. NAME is the library's, `generic` without Liberty files.

    dont_use: patterns of cells that are left out; gates: adders are made of gates, for libraries without a full adder;
    workers: jobs at a time, 0 for one a processor. Raises `InputError`, `ToolMissing`, `CheckFailed`.
    """
    yosys.require()
    rtl_dir = Path(os.path.abspath(rtl_dir))  # yosys runs in folders of its own
    sources = jobs.read(rtl_dir)
    out, runner = rtl_dir / OUT, yosys.Yosys()
    chosen = library.load(liberty, runner, dont_use, gates) if liberty else None
    out.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".work-", dir=out))
    try:
        mapper = Mapper(chosen, sources, work, runner)
        figures = _map(sources, mapper, runner, workers or os.cpu_count() or 1, progress)
        found = report.report(sources, chosen, figures, report.instances(sources, figures, runner, work))
        _write(sources, mapper, work / "out", found, cell_models(chosen, runner))
        target = out / (chosen.name if chosen else GENERIC)
        shutil.rmtree(target, ignore_errors=True)
        (work / "out").rename(target)
    finally:
        runner.stop()
        shutil.rmtree(work, ignore_errors=True)
    return found


def _map(sources: Sources, mapper: Mapper, runner: yosys.Yosys, workers: int, progress: Progress) -> dict[str, Figures]:
    """Figures of all jobs, the longest first, as far as the size of a file tells."""
    order = sorted(sources.jobs, key=lambda job: -job.source.stat().st_size)
    found: dict[str, Figures] = {}
    progress(STAGE, 0, len(order))
    with ThreadPoolExecutor(workers) as pool:
        try:
            futures = {pool.submit(mapper.run, job): job for job in order}
            for future in as_completed(futures):
                found[futures[future].name] = future.result()
                progress(STAGE, len(found), len(order), futures[future].name)
        except BaseException:
            runner.stop()
            pool.shutdown(cancel_futures=True)
            raise
    return {job.name: found[job.name] for job in sources.jobs}


def _write(sources: Sources, mapper: Mapper, folder: Path, found: SynthesisReport, models: str) -> None:
    """Results in a folder: what is mapped, what is not, what a simulator needs."""
    folder.mkdir()
    for job in sources.jobs:
        os.link(mapper.place(job) / NETLIST, folder / f"{job.name}.v")
    for path in sources.netlists:
        shutil.copyfile(path, folder / path.name)
    (folder / MODELS).parent.mkdir()
    (folder / MODELS).write_text(models)
    (folder / REPORT).write_text(json.dumps(found.to_json(), indent=1) + "\n")
