"""Bake: from a quantised model to `rtl_out/<name>/`, whole or not at all, the same bytes for the same input."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from amaranth.hdl import UnusedElaboratable
from amaranth.lib import wiring

from .. import __version__
from ..network.merkle import Tree
from ..progress import Progress, silent
from ..quant import saved
from ..rtl.chip import Chip
from ..rtl.tiles import VIEWS, Tile
from ..rtl.transformer import Transformer
from . import flow
from .amaranth_modules import to_verilog
from .folder import layout
from .folder.chip_folder import ChipFolder
from .folder.manifest import (
    FORMAT,
    CheckpointSource,
    DraftEntry,
    Manifest,
    Merkle,
    MerkleLeaf,
    Roles,
    TileContent,
    TileKind,
)
from .folder.modules import (
    BlockModule,
    MemoryModule,
    Module,
    NetlistModule,
    SharedModule,
    TableModule,
    TileModule,
    views_of,
)
from .folder.target import check_target, replacing
from .folder.writer import FolderWriter
from .verilator_config import verilator_config

STAGE = "writing Verilog"
"""Its progress is counted in modules; the detail is the next one."""


@dataclass(frozen=True)
class VerilogModule:
    """A file to be: what the manifest says of it, and its lines, made when the first is asked for."""

    entry: Module
    lines: Iterable[str]


def bake(
    chip: Chip, out: Path, tokenizer: bytes, progress: Progress = silent, fabric: str = "behavioural"
) -> ChipFolder:
    """Write `chip` to folder `out`. fabric: the view or views of the tiles; tokenizer: content of its tokenizer.json.

    `out` may exist if an earlier bake made it; then it is replaced. Raises `InputError` before anything is written
    where a plan does not fit its model or `out` cannot be used; an interrupted run leaves nothing behind.
    """
    chip.verify()
    check_target(out)
    with replacing(out) as work:
        manifest = _write(chip, work, tokenizer, progress, fabric)
    return ChipFolder(out, manifest)


def _write(chip: Chip, work: Path, tokenizer: bytes, progress: Progress, fabric: str) -> Manifest:
    writer = FolderWriter(work)
    written: list[Module] = []
    for module in modules(chip, fabric, progress):
        writer.lines(module.entry.path, module.lines)
        written.append(module.entry)
    simulation, synthesis = ([entry for entry in written if entry.is_in(view)] for view in views_of(fabric))
    writer.lines(layout.SIMULATION, (entry.path for entry in simulation))
    writer.lines(layout.SYNTHESIS, (entry.path for entry in synthesis))
    names = [entry.name for entry in simulation if not isinstance(entry, SharedModule)]
    writer.lines(layout.WAIVERS, verilator_config(layout.BLOCKS, names))
    for path, lines in flow.files(synthesis).items():
        writer.lines(path, lines)
    for transformer, path in zip(chip.transformers, (layout.MODEL, layout.DRAFT_MODEL), strict=False):
        writer.content(path, saved.to_bytes(transformer.model))
    writer.content(layout.TOKENIZER, tokenizer)
    progress(STAGE, len(written), len(written))
    return writer.manifest(describe(chip, fabric, written))


def modules(chip: Chip, fabric: str, progress: Progress = silent) -> Iterator[VerilogModule]:
    """Every module of the chip, leaves first; tiles are made one at a time, so that no two are in memory."""
    blocks, leaves, netlists = chip.components(), list(_leaves(chip, fabric)), list(chip.netlists())
    count = len(leaves) + len(blocks) + len(netlists)
    for done, module in enumerate(leaves):
        progress(STAGE, done, count, module.entry.name)
        yield module
    numbers = {name: len(leaves) + i for i, name in enumerate(blocks)}
    yield from _blocks(blocks, lambda name: progress(STAGE, numbers[name], count, name))
    for done, netlist in enumerate(netlists, count - len(netlists)):
        progress(STAGE, done, count, netlist.name)
        yield VerilogModule(NetlistModule.of(netlist.name), netlist.verilog())


def entries(chip: Chip, fabric: str) -> list[Module]:
    """What the manifest says of the modules; none is written for it."""
    warnings.filterwarnings("ignore", category=UnusedElaboratable)  # blocks are made for their names alone
    return [module.entry for module in modules(chip, fabric)]


def _leaves(chip: Chip, fabric: str) -> Iterator[VerilogModule]:
    """Tiles, tables and memories."""
    views = [VIEWS[name] for name in dict.fromkeys(views_of(fabric))]
    for view in views:
        for file in view.shared():
            yield VerilogModule(SharedModule(file.module, file.path, "shared", view.name), file.lines)
    for transformer in chip.transformers:
        for tile in transformer.tiles():
            for view in views:
                for file in view.files(tile):
                    yield VerilogModule(TileModule(file.module, file.path, "tile", view.name), file.lines)
        for tensor, file in transformer.tables():
            yield VerilogModule(TableModule(file.module, file.path, "table", tensor), file.lines)
    for memory in chip.memories():
        yield VerilogModule(MemoryModule.of(memory.name, memory.words, memory.bits), [memory.verilog()])


def _blocks(components: dict[str, wiring.Component], progress: Callable[[str], None]) -> Iterator[VerilogModule]:
    """What Amaranth writes: all at once, when the first line of one is asked for."""

    @cache
    def texts() -> dict[str, str]:
        return to_verilog(components, progress)

    def lines(name: str) -> Iterator[str]:
        yield texts()[name]

    for name in components:
        yield VerilogModule(BlockModule.of(name), lines(name))


def describe(chip: Chip, fabric: str, entries: Iterable[Module]) -> Manifest:
    """The manifest without the file digests: what was baked, from what, in which shape."""
    plan, draft = chip.target.plan, chip.draft
    return Manifest(
        format=FORMAT,
        hc1gen=__version__,
        top="chip",
        fabric=fabric,
        numeric_config=plan.n.config,
        context=plan.n.context,
        lanes=plan.lanes,
        token_bits=plan.token_bits,
        model_root=chip.root.hex(),
        **_describe(chip.target, chip.trees[0], layout.MODEL),
        draft=None
        if draft is None
        else DraftEntry(ahead=chip.ahead, **_describe(draft, chip.trees[1], layout.DRAFT_MODEL)),
        modules=tuple(entries),
        roles=Roles(layout.SIMULATION, layout.SYNTHESIS, layout.WAIVERS, layout.TOKENIZER),
        files={},
    )


def _describe(transformer: Transformer, tree: Tree, saved_model: str) -> dict[str, Any]:
    """What is a model's own: the fields of a `ModelEntry`."""
    model = transformer.model
    return {
        "checkpoint": CheckpointSource(model.name, model.sha256),
        "quantized_model": saved_model,
        "model": model.model,
        "formats": model.formats,
        "kv_heads_per_clock": transformer.plan.kv_heads_per_clock,
        "kinds": {name: TileKind(**asdict(kind)) for name, kind in transformer.kinds.items()},
        "tiles": tuple(_tile_entry(tile) for tile in transformer.tiles()),
        "merkle": Merkle(
            tree.root.hex(), tuple(MerkleLeaf(leaf.name, leaf.shape, leaf.digest.hex()) for leaf in tree.leaves)
        ),
    }


def _tile_entry(tile: Tile) -> TileContent:
    def lanes_of(order: Iterable[int | None]) -> tuple[int, ...]:
        return tuple(-1 if i is None else i for i in order)

    return TileContent(
        module=tile.name,
        tensors=tile.tensors,
        rows=lanes_of(tile.rows),
        group_rows=tile.group_beats * tile.lanes,
        columns=lanes_of(tile.columns),
        weights=int(tile.weights.size),
        zero_weights=int((tile.weights == 0).sum()),
        full_adders=tile.full_adders,
    )
