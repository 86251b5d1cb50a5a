"""A baked chip against its checkpoint: every number read back from the Verilog, the manifest, the files, the root."""

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

STAGE = "reading the Verilog"
"""Its progress is counted in modules; the detail is the one that has been read."""
TOP = "chip"


@dataclass
class Report:
    """What was looked at and what differs. roots: where from → the Merkle root as found there; numbers: view → how many
    weights, scales, gains and embedding entries were read."""

    differences: list[Difference] = field(default_factory=list)
    roots: dict[str, str | None] = field(default_factory=dict)
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    files: int = 0

    @property
    def match(self) -> bool:
        return not self.differences


@dataclass(frozen=True)
class Place:
    """Where the Verilog of one view stands: `folder` of mapped netlists, or the baked folder; `only` one module.

    paths: module → where in a baked folder a bake puts it; shared: files that all tiles of the view instantiate.
    """

    view: str
    folder: Path
    paths: Mapping[str, str] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    cells: Mapping[str, Circuit] = field(default_factory=dict)
    only: str | None = None

    def source(self, part: Part | None) -> Source:
        """Of a part of the model, or of the top module."""
        name = TOP if part is None else part.module
        if self.view == MAPPED:
            return Source(name, self.folder / f"{name}.v", MAPPED, cells=self.cells)
        shared = tuple(self.folder / path for path in self.shared) if isinstance(part, TilePart) else ()
        return Source(name, self.folder / self.paths[name], self.view, shared)


def find(path: Path) -> tuple[Path, Path | None]:
    """(baked folder, mapped netlist or None): `path` is either; a netlist lies somewhere inside the baked folder."""
    if not path.exists():
        raise InputError(path, "no such file or folder")
    baked = containing(path)
    if baked is None:
        raise InputError(path, f"neither a baked folder nor inside of one: there is no {MANIFEST}")
    return baked, None if baked is path else path


def verify(
    path: Path, target: ModelIR, draft: ModelIR | None, liberty: Sequence[Path] = (), workers: int = 0,
    progress: Progress = silent,
) -> Report:  # fmt: skip
    """Compare a baked folder, or a mapped netlist in it, with the checkpoints it should be made of.

    liberty: the library of a mapped netlist; workers: modules read at a time, 0 for one a processor. Raises
    `InputError` where nothing can be compared, `ToolMissing` without pyosys.
    """
    require()
    rtl_dir, netlist = find(path)
    folder = ChipFolder.read(rtl_dir, whole=False)
    manifest = folder.manifest
    _check_draft(manifest, draft)
    report = Report(list(other_model(manifest, target, draft)))
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
        raise InputError("--draft", "the chip has a draft; name the checkpoint that it was made of")
    if draft is not None and manifest.draft is None:
        raise InputError("--draft", "the chip has no draft; leave the option out")


def _places(rtl_dir: Path, expected: Manifest, netlist: Path | None, liberty: Sequence[Path]) -> list[Place]:
    """The views that there are; of a baked folder those of its tiles, every file where it is expected."""
    if netlist is not None:
        only = netlist.stem if netlist.is_file() else None
        folder = netlist.parent if only else netlist
        return [Place(MAPPED, folder, cells=_cells(folder, liberty), only=only)]
    if liberty:
        raise InputError("--liberty", problem("library", "one", "none", "it is for a mapped netlist"))
    views: list[View] = list(dict.fromkeys(views_of(expected.fabric)))
    places = []
    for view in views:
        modules = [module for module in expected.modules if module.is_in(view)]
        shared = tuple(module.path for module in modules if isinstance(module, SharedModule))
        places.append(Place(view, rtl_dir, {module.name: module.path for module in modules}, shared))
    return places


def _cells(folder: Path, liberty: Sequence[Path]) -> Mapping[str, Circuit]:
    """What the cells of netlists in a folder do; `InputError` where they were mapped to another library than this.

    A folder that something else than synth has written has no report: then any library may be right.
    """
    name = read_liberty(liberty).name if liberty else None
    report = folder / REPORT
    mapped = read_object(report).get("library") if report.is_file() else name
    if name != mapped:
        todo = "leave the option out" if mapped is None else "name the Liberty files of the netlist"
        wanted = f"{mapped or 'none, for generic cells'}, as {report} says"
        raise InputError("--liberty", problem("library", name or "none", wanted, todo))
    models = folder / MODELS
    return read_library(liberty) if liberty else read_models(models) if models.is_file() else {}


Key = tuple[Path, str]


def _read(places: Iterable[Place], parts: Sequence[Part], workers: int, progress: Progress) -> dict[Key, Result]:
    """Everything that is to be read, each module once, by its file."""
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
        raise InputError("netlist", "holds nothing of the model: no tile, no table, not the chip")
    results: dict[Key, Result] = {}
    for done, (key, result) in enumerate(_results(jobs, workers or os.cpu_count() or 1), 1):
        progress(STAGE, done, len(jobs), key[1])
        results[key] = result
    return results


def _results(jobs: dict[Key, Job], workers: int) -> Iterator[tuple[Key, Result]]:
    """Results as they come, the largest files first."""
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
    report: Report, place: Place, chip: Chip, models: Sequence[list[Part]], results: Mapping[Key, Result]
) -> None:
    """Add to the report what one view holds."""
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
                parameters_leaf(parameters(transformer.network, transformer.model)),
                *(t.leaf for t in found_tensors(model, found)),
            ]
            roots.append(merkle.root([leaf.digest for leaf in leaves]))
        _compare_root(report, f"{place.view} Verilog", f"{place.view} view", merkle.root(roots).hex(), chip)
    if place.only in (None, TOP):
        source = place.source(None)
        constant = results[source.path, TOP]
        said = constant if isinstance(constant, str) else f"{constant:064x}"
        _compare_root(report, f"port {ROOT}", _name(source, place), said, chip)


def _compare_root(report: Report, source: str, where: str, found: str, chip: Chip) -> None:
    report.roots[source] = found
    difference = Difference("root", where, "Merkle root", found, chip.root.hex())
    if found != chip.root.hex() and difference not in report.differences:
        report.differences.append(difference)


def _name(source: Source, place: Place) -> str:
    """A file by its path in the folder."""
    return source.path.relative_to(place.folder).as_posix()


def _numbers(models: Sequence[list[Part]], found: Mapping[str, Result]) -> dict[str, int]:
    """How many of each kind of number were read."""
    counts = dict.fromkeys(("weights", "scales", "gains", "embedding"), 0)
    for part in (part for model in models for part in model if part.module in found):
        for tensor in part.tensors(found[part.module]):
            kind = "weights" if isinstance(part, TilePart) else "gains" if tensor.integers.ndim == 1 else "embedding"
            counts[kind] += tensor.integers.size
            counts["scales"] += len(tensor.mantissa)
    return counts
