"""Compares a baked chip with its checkpoint: every number in the Verilog, the manifest, the files and the root."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from ...errors import InputError, problem
from ...frontend.jsonfile import read_object
from ...frontend.model import ModelIR
from ...network import merkle
from ...network.merkle import parameters, parameters_leaf
from ...progress import Progress, silent
from ...rtl.chip import ROOT, Chip
from ..folder.chip_folder import ChipFolder, containing
from ..folder.layout import MANIFEST
from ..folder.manifest import Manifest
from ..folder.modules import SharedModule, View, views_of
from ..synth.liberty import read as read_liberty
from ..synth.run import MODELS, REPORT
from ..synth.yosys import require
from .chip import expected_chip, expected_manifest, manifest_differences, other_model
from .circuit import Circuit
from .difference import Difference
from .files import file_differences
from .jobs import MAPPED, ConstantJob, Job, Result, Source, run
from .library import read_library, read_models
from .model import Part, TilePart, found_tensors, parts, whole

TASK = "reading the Verilog"
"""The name of the task for `progress`. Its progress is counted in modules; the detail is the module just read."""
TOP = "chip"


@dataclass
class VerifyReport:
    """What was compared, and what differs.

    roots: source → the Merkle root that was found there. numbers: view → the number of weights, scales, gains and
    embedding entries that were read. files: the number of files in the manifest.
    """

    differences: list[Difference] = field(default_factory=list)
    roots: dict[str, str | None] = field(default_factory=dict)
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    files: int = 0

    @property
    def match(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


@dataclass(frozen=True)
class Place:
    """Where the Verilog of one view is.

    folder: the folder of the mapped netlists, or the baked folder. paths: module → its path in the baked folder.
    shared: the files that all tiles of the view instantiate. cells: the cells of the mapped netlists' library. only:
    the one module to compare; None for all.
    """

    view: str
    folder: Path
    paths: Mapping[str, str] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    cells: Mapping[str, Circuit] = field(default_factory=dict)
    only: str | None = None

    def source(self, part: Part | None) -> Source:
        """Returns the source of a part of the model; None stands for the top module."""
        name = TOP if part is None else part.module
        if self.view == MAPPED:
            return Source(name, self.folder / f"{name}.v", MAPPED, cells=self.cells)
        shared = tuple(self.folder / path for path in self.shared) if isinstance(part, TilePart) else ()
        return Source(name, self.folder / self.paths[name], self.view, shared)


def find(path: Path) -> tuple[Path, Path | None]:
    """Returns (baked folder, mapped netlist or None). path: a baked folder, or a netlist anywhere inside of one.

    Raises `InputError` if it is neither.
    """
    if not path.exists():
        raise InputError(path, "no such file or folder")
    baked = containing(path)
    if baked is None:
        raise InputError(path, f"neither a baked folder nor inside of one: there is no {MANIFEST}")
    return baked, None if baked is path else path


def verify(
    path: Path, target: ModelIR, draft: ModelIR | None, liberty: Sequence[Path] = (), workers: int = 0,
    progress: Progress = silent,
) -> VerifyReport:  # fmt: skip
    """Compares a baked folder, or a mapped netlist in it, with the checkpoints that it should be made of.

    liberty: the library of a mapped netlist. workers: modules that are read at a time; 0 for one per processor. Raises
    `InputError` if nothing can be compared, and `ToolMissing` if pyosys is not installed.
    """
    require()
    rtl_dir, netlist = find(path)
    folder = ChipFolder.read(rtl_dir, whole=False)
    manifest = folder.manifest
    _check_draft(manifest, draft)
    report = VerifyReport(list(other_model(manifest, target, draft)))
    if report.differences:
        return report
    chip = expected_chip(manifest, target, draft)
    expected = expected_manifest(manifest, chip)
    places = _places(rtl_dir, expected, netlist, liberty)
    report.differences += manifest_differences(folder, expected, chip)
    report.differences += file_differences(folder)
    report.files = len(manifest.files)
    report.roots |= {"checkpoint": chip.root.hex(), "manifest": manifest.model_root}
    models = [parts(each.network, each.model) for each in chip.transformers]
    results = _read(places, [part for model in models for part in model], workers, progress)
    for place in places:
        _compare(report, place, chip, models, results)
    return report


def _check_draft(manifest: Manifest, draft: ModelIR | None) -> None:
    if manifest.draft is not None and draft is None:
        raise InputError("draft", "the chip has a draft; name the checkpoint that it was made of")
    if draft is not None and manifest.draft is None:
        raise InputError("draft", "the chip has no draft; leave the option out")


def _places(rtl_dir: Path, expected: Manifest, netlist: Path | None, liberty: Sequence[Path]) -> list[Place]:
    """Returns the places of all views: the mapped netlist, or the views that the tiles of the baked folder have.

    The paths are those that a bake would use today.
    """
    if netlist is not None:
        only = netlist.stem if netlist.is_file() else None
        folder = netlist.parent if only else netlist
        return [Place(MAPPED, folder, cells=_cells(folder, liberty), only=only)]
    if liberty:
        raise InputError("liberty", problem("library", "one", "none", "it is for a mapped netlist"))
    views: list[View] = list(dict.fromkeys(views_of(expected.fabric)))
    places = []
    for view in views:
        modules = [module for module in expected.modules if module.is_in(view)]
        shared = tuple(module.path for module in modules if isinstance(module, SharedModule))
        places.append(Place(view, rtl_dir, {module.name: module.path for module in modules}, shared))
    return places


def _cells(folder: Path, liberty: Sequence[Path]) -> Mapping[str, Circuit]:
    """Returns the circuits of the library's cells for the netlists in a folder.

    Raises `InputError` if the report in the folder says that they were mapped to another library. A folder that was not
    written by `hc1gen synth` has no report; then any library is accepted.
    """
    name = read_liberty(liberty).name if liberty else None
    report = folder / REPORT
    mapped = read_object(report).get("library") if report.is_file() else name
    if name != mapped:
        todo = "leave the option out" if mapped is None else "name the Liberty files of the netlist"
        wanted = f"{mapped or 'none, for generic cells'}, as {report} says"
        raise InputError("liberty", problem("library", name or "none", wanted, todo))
    models = folder / MODELS
    return read_library(liberty) if liberty else read_models(models) if models.is_file() else {}


Key = tuple[Path, str]


def _read(places: Iterable[Place], parts: Sequence[Part], workers: int, progress: Progress) -> dict[Key, Result]:
    """Reads every module once. Returns (file, module) → result."""
    jobs: dict[Key, Job] = {}
    for place in places:
        for part in parts:
            if place.only in (None, part.module):
                source = place.source(part)
                jobs[source.path, source.module] = part.job(source)
        if place.only in (None, TOP):
            source = place.source(None)
            jobs[source.path, TOP] = ConstantJob(source, ROOT)
    if not jobs:
        raise InputError("netlist", "holds no part of the model: it is no tile, no table and not the top module")
    results: dict[Key, Result] = {}
    for done, (key, result) in enumerate(_results(jobs, workers or os.cpu_count() or 1), 1):
        progress(TASK, done, len(jobs), key[1])
        results[key] = result
    return results


def _results(jobs: dict[Key, Job], workers: int) -> Iterator[tuple[Key, Result]]:
    """Yields the results as they come. The largest files are read first."""
    order = sorted(jobs, key=lambda key: -key[0].stat().st_size if key[0].is_file() else 0)
    with ProcessPoolExecutor(workers, get_context("spawn")) if workers > 1 else nullcontext() as pool:
        if not isinstance(pool, Executor):
            yield from ((key, run(jobs[key])) for key in order)
            return
        futures = {pool.submit(run, jobs[key]): key for key in order}
        try:
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        finally:
            pool.shutdown(cancel_futures=True)


def _compare(
    report: VerifyReport, place: Place, chip: Chip, models: Sequence[list[Part]], results: Mapping[Key, Result]
) -> None:
    """Compares the results of one view, and adds the numbers, the roots and the differences to the report."""
    found: dict[str, Result] = {}
    for part in (part for model in models for part in model if place.only in (None, part.module)):
        source = place.source(part)
        result, where = results[source.path, source.module], _name(source, place)
        if isinstance(result, str):
            report.differences.append(Difference("circuit", where, result))
            continue
        found[part.module] = result
        report.differences += [d for d in part.differences(where, result) if d not in report.differences]
    report.numbers[place.view] = _numbers(models, found)
    if place.only is None and sum(map(whole, found.values())) == sum(map(len, models)):
        roots = []
        for transformer, model in zip(chip.transformers, models, strict=True):
            leaves = [
                parameters_leaf(parameters(transformer.network)),
                *(t.leaf for t in found_tensors(model, found)),
            ]
            roots.append(merkle.root([leaf.digest for leaf in leaves]))
        _compare_root(report, f"{place.view} Verilog", f"{place.view} view", merkle.root(roots).hex(), chip)
    if place.only in (None, TOP):
        source = place.source(None)
        constant = results[source.path, TOP]
        said = constant if isinstance(constant, str) else f"{constant:064x}"
        _compare_root(report, f"port {ROOT}", _name(source, place), said, chip)


def _compare_root(report: VerifyReport, source: str, where: str, found: str, chip: Chip) -> None:
    report.roots[source] = found
    difference = Difference("root", where, "Merkle root", found, chip.root.hex())
    if found != chip.root.hex() and difference not in report.differences:
        report.differences.append(difference)


def _name(source: Source, place: Place) -> str:
    """Returns the path of a source relative to the folder."""
    return source.path.relative_to(place.folder).as_posix()


def _numbers(models: Sequence[list[Part]], found: Mapping[str, Result]) -> dict[str, int]:
    """Returns how many numbers of each kind were read."""
    counts = dict.fromkeys(("weights", "scales", "gains", "embedding"), 0)
    for part in (part for model in models for part in model if part.module in found):
        for tensor in part.tensors(found[part.module]):
            kind = "weights" if isinstance(part, TilePart) else "gains" if tensor.integers.ndim == 1 else "embedding"
            counts[kind] += tensor.integers.size
            counts["scales"] += len(tensor.mantissa)
    return counts
