"""Bake: from a quantised model to `rtl_out/<name>/`, whole or not at all, the same bytes for the same input."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from secrets import token_hex
from typing import Any

from .. import __version__
from ..errors import InputError, problem
from ..quant import saved
from ..quant.merkle import Tree
from ..rtl.chip import Chip
from ..rtl.tiles import VIEWS, File, Tile
from ..rtl.tiles.structural import ADDERS
from ..rtl.transformer import Transformer
from . import flow
from .amaranth_modules import to_verilog
from .verilator_config import CONFIG, verilator_config

Progress = Callable[[str, int, int], None]
"""Called with what is being written, how many modules are done, and how many there are."""

MANIFEST = "manifest.json"
FORMAT = 3
"""Of the manifest."""
MODEL, DRAFT_MODEL = "model.safetensors", "draft.safetensors"
TOKENIZER = "tokenizer.json"
KEPT = ("sim", "synth/jobs")
"""Folders that another bake leaves alone."""
FILES, SYNTHESIS_FILES = "filelist.f", "synth.f"
"""Lists of the Verilog files, to simulate and to synthesise."""
FABRICS = ("behavioural", "structural", "both")
"""What `--fabric` may be."""
STRUCTURAL = "rtl/structural"
"""Folder of the structural view of the tiles."""
BLOCKS = "rtl/blocks"
"""Folder of the files that Amaranth writes."""


def bake(
    chip: Chip, out: Path, tokenizer: Path, progress: Progress | None = None, fabric: str = "behavioural"
) -> dict[str, Any]:
    """Write `chip` to folder `out` and return its manifest. fabric: one of FABRICS, the view or views of the tiles.

    `out` may exist if an earlier bake made it; then it is replaced. Raises `InputError` before anything is written
    where a plan does not fit its model or `out` cannot be used; an interrupted run leaves nothing behind.
    """
    chip.verify()
    check_target(out)
    out = Path(os.path.abspath(out))
    made = [parent for parent in out.parents if not parent.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = out.parent / f".{out.name}-{token_hex(4)}"  # named before it is made: a signal may come at once
        try:
            work.mkdir(mode=0o700)
            manifest = _write(chip, work, tokenizer, progress or (lambda name, done, count: None), fabric)
            _replace(work, out)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except BaseException:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise
    return manifest


def check_target(out: Path) -> None:
    """Raise `InputError` unless `out` is free, or an earlier bake's, and can be written."""
    todo = "choose another folder with -o"
    if out.exists() and not out.is_dir():
        raise InputError(out, problem("output", "a file", "a folder", todo))
    if out.is_dir() and any(out.iterdir()) and not is_baked(out):
        raise InputError(out, problem("output", "a folder with other files", "a new or a baked one", todo))
    if out.is_dir() and (foreign := _not_ours(out)):
        found = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        found = f"files that were added or changed: {found}"
        raise InputError(out, problem("output", found, "only what bake wrote", f"move them or {todo}"))
    parent = next(p for p in Path(os.path.abspath(out)).parents if p.exists())
    if not parent.is_dir():
        raise InputError(out, problem("output", f"{parent} is a file", "a folder", todo))
    for folder in (parent, out):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(out, problem("output", f"{folder} is read-only", "a folder that can be written", todo))


def is_baked(folder: Path) -> bool:
    """Whether `folder` is what a bake made."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and "hc1gen" in manifest


def _not_ours(folder: Path) -> list[str]:
    """Files of a baked folder that a new bake would lose: added or changed by hand. Simulators are kept anyway."""
    digests = json.loads((folder / MANIFEST).read_bytes()).get("files", {}) if is_baked(folder) else {}
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST and not name.startswith(("sim/", "synth/")):
            if digests.get(name) != hashlib.sha256(path.read_bytes()).hexdigest():
                found.append(name)
    return found


def _replace(work: Path, out: Path) -> None:
    """Put `work` in the place of `out`. What `KEPT` names stays: it is found by content."""
    work.chmod(0o777 & ~_umask())
    if not out.exists():
        work.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    try:
        out.rename(old / "out")
        work.rename(out)
        for kept in KEPT:
            if (old / "out" / kept).is_dir():
                (out / kept).parent.mkdir(exist_ok=True)
                (old / "out" / kept).rename(out / kept)
    finally:
        if not out.exists():
            (old / "out").rename(out)
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    """The process's, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(chip: Chip, work: Path, tokenizer: Path, progress: Progress, fabric: str) -> dict[str, Any]:
    digests = {}
    for module in modules(chip, progress, fabric):
        digests[module.path] = _write_lines(work / module.path, module.lines)
    order = list(digests)
    simulation, synthesis = (_of_view(order, view) for view in _views(fabric))
    names = [Path(path).stem for path in simulation if Path(path).stem != ADDERS]
    texts = {FILES: simulation, SYNTHESIS_FILES: synthesis, CONFIG: verilator_config(BLOCKS, names)}
    texts |= flow.files(synthesis, [tile.name for t in chip.transformers for tile in t.tiles()], chip.memories())
    for path, lines in texts.items():
        digests[path] = _write_lines(work / path, lines)
    contents = {MODEL: saved.to_bytes(chip.target.model), TOKENIZER: tokenizer.read_bytes()}
    if chip.draft is not None:
        contents[DRAFT_MODEL] = saved.to_bytes(chip.draft.model)
    for path, content in contents.items():
        (work / path).write_bytes(content)
        digests[path] = hashlib.sha256(content).hexdigest()
    manifest = describe(chip) | {"files": dict(sorted(digests.items()))}
    (work / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    progress("done", len(order), len(order))
    return manifest


def _views(fabric: str) -> tuple[str, str]:
    """The view of the tiles to simulate and the one to synthesise."""
    return ("behavioural", "structural") if fabric == "both" else (fabric, fabric)


def _of_view(paths: Iterable[str], view: str) -> list[str]:
    """Files without those of the other view."""
    structural_names = {Path(path).stem for path in paths if path.startswith(STRUCTURAL)}
    if view == "behavioural":
        return [path for path in paths if not path.startswith(STRUCTURAL)]
    return [path for path in paths if path.startswith(STRUCTURAL) or Path(path).stem not in structural_names]


def _write_lines(path: Path, lines: Iterable[str]) -> str:
    """Write a text as it comes; its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for line in lines:
            content = line.encode() if line.endswith("\n") else f"{line}\n".encode()
            file.write(content)
            digest.update(content)
    return digest.hexdigest()


def modules(chip: Chip, progress: Progress | None = None, fabric: str = "behavioural") -> Iterator[File]:
    """Every module of the chip, leaves first; tiles are made one at a time, so that no two are in memory."""
    report = progress or (lambda name, done, count: None)
    blocks, leaves, netlists = chip.components(), list(_leaves(chip, fabric)), list(chip.netlists())
    count = len(leaves) + len(blocks) + len(netlists)
    for done, module in enumerate(leaves):
        report(module.module, done, count)
        yield module
    numbers = {name: len(leaves) + i for i, name in enumerate(blocks)}
    for name, text in to_verilog(blocks, lambda name: report(name, numbers[name], count)).items():
        yield File(f"{BLOCKS}/{name}.v", name, [text])
    for done, netlist in enumerate(netlists, count - len(netlists)):
        report(netlist.name, done, count)
        yield File(f"rtl/{netlist.name}.v", netlist.name, netlist.verilog())


def _leaves(chip: Chip, fabric: str) -> Iterator[File]:
    """Tiles, tables and memories."""
    views = [VIEWS[name] for name in dict.fromkeys(_views(fabric))]
    for view in views:
        yield from view.shared()
    for transformer in chip.transformers:
        for tile in transformer.tiles():
            for view in views:
                yield from view.files(tile)
        yield from transformer.tables()
    for name, text in chip.memories().items():
        yield File(f"rtl/memories/{name}.v", name, [text])


def describe(chip: Chip) -> dict[str, Any]:
    """The manifest without the file digests: what was baked, from what, in which shape."""
    plan = chip.target.plan
    return {
        "format": FORMAT,
        "hc1gen": __version__,
        "top": "chip",
        "numeric_config": asdict(plan.n.config),
        "context": plan.n.context,
        "lanes": plan.lanes,
        "token_bits": plan.token_bits,
        "model_root": chip.root.hex(),
        **_describe(chip.target, chip.trees[0]),
        "draft": None if chip.draft is None else {"ahead": chip.ahead, **_describe(chip.draft, chip.trees[1])},
    }


def _describe(transformer: Transformer, tree: Tree) -> dict[str, Any]:
    """What is a model's own."""
    model = transformer.model
    return {
        "checkpoint": {"name": model.name, "sha256": model.sha256},
        "model": asdict(model.model),
        "formats": asdict(model.formats),
        "kv_heads_per_clock": transformer.plan.kv_heads_per_clock,
        "kinds": {name: asdict(kind) for name, kind in transformer.kinds.items()},
        "tiles": [_tile_entry(tile) for tile in transformer.tiles()],
        "merkle": {
            "root": tree.root.hex(),
            "leaves": [{"name": leaf.name, "shape": leaf.shape, "sha256": leaf.digest.hex()} for leaf in tree.leaves],
        },
    }


def _tile_entry(tile: Tile) -> dict[str, Any]:
    def lanes_of(order: Iterable[int | None]) -> list[int]:
        return [-1 if i is None else i for i in order]

    return {
        "module": tile.name,
        "tensors": list(tile.tensors),
        "rows": lanes_of(tile.rows),
        "part_rows": tile.group_beats * tile.lanes,
        "columns": lanes_of(tile.columns),
        "weights": int(tile.weights.size),
        "zero_weights": int((tile.weights == 0).sum()),
        "full_adders": tile.full_adders,
    }
