"""A tile with its controller as one design, and the words that go into it and come out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from amaranth.hdl import Array, ClockSignal, Instance, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bench.case import pack
from bench.timing import Span, between, paced

from cmvm.together import Run, Words, check_together
from hc1gen.golden.arith import matmul, round_shift
from hc1gen.network import Linear, Mantissas, Order, Projection, beats_of
from hc1gen.rtl.cmvm import EXPONENT_BITS, SHIFT_BITS, Cmvm, accumulator_layout, plane_layout
from hc1gen.rtl.tiles import VIEWS, Tile, needed_bits
from hc1gen.rtl.tiles.structural import adders

SCALE_BITS = 10


def make_tile(
    *weights: np.ndarray, lanes: int, rows: Order | None = None, columns: Order | None = None, act_bits: int = 8,
    drop_bits: int = 3, row_groups: int = 1,
) -> Tile:  # fmt: skip
    """A tile of these integer matrices stacked, scales and shifts random; orders default to the natural ones."""
    rng = np.random.default_rng(sum(w.size for w in weights))
    mantissas = []
    for w in weights:
        mantissa = rng.integers(1 << (SCALE_BITS - 1), 1 << SCALE_BITS, len(w))
        mantissa[-1] = (1 << SCALE_BITS) - 1
        mantissas.append(mantissa)
    stacked, mantissa = np.concatenate(weights).astype(np.int8), np.concatenate(mantissas)
    shift = rng.integers(-127, 128, len(stacked))
    shift[[0, -1]] = 127, -127
    names = tuple(f"matrix{index}" for index in range(len(weights)))
    node = Linear(
        "tile", "tile", tuple(Projection(name, len(w), 16, 0) for name, w in zip(names, weights, strict=True)),
        Mantissas(tuple(range(stacked.shape[1]) if columns is None else columns), range(1), 0, act_bits, drop_bits),
        beats_of(range(len(stacked)) if rows is None else rows, lanes), lanes, row_groups,
    )  # fmt: skip
    return Tile(node, names, stacked, mantissa, shift, SCALE_BITS, needed_bits(node, stacked))


def renamed(tile: Tile, module: str) -> Tile:
    """The same tile as another module."""
    return replace(tile, node=replace(tile.node, module=module))


class Unit(wiring.Component):
    """`Cmvm` and the tile it drives, or the one of `variants` tiles (`tile_0`, `tile_1`, ...) that `select` names."""

    def __init__(self, tile: Tile, variants: int = 0, scale_bits: int = SCALE_BITS, rereads: int = 1):
        self.tile, self.variants = tile, variants
        self.control = Cmvm(
            len(tile.columns), tile.beats, tile.lanes, tile.acc_bits, scale_bits, tile.act_bits, rereads=rereads,
            row_groups=tile.row_groups,
        )  # fmt: skip
        ports = {
            "x": In(stream.Signature(plane_layout(len(tile.columns)))),
            "y": Out(stream.Signature(accumulator_layout(tile.lanes, tile.acc_bits, scale_bits))),
        }
        super().__init__(ports | ({"select": In(range(variants))} if variants else {}))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        t = self.tile
        m.submodules.control = c = self.control
        names = [f"{t.name}_{i}" for i in range(self.variants)] or [t.name]
        outputs = [self._tile(m, name, c) for name in names]
        for port in ("acc", "mantissa", "shift"):
            signals = [o[port] for o in outputs]
            m.d.comb += getattr(c, port).eq(Array(signals)[self.select] if self.variants else signals[0])
        wiring.connect(m, wiring.flipped(self.x), c.x)
        wiring.connect(m, c.y, wiring.flipped(self.y))
        return m

    def _tile(self, m: Module, name: str, c: Cmvm) -> dict[str, Signal]:
        found = {port: Signal.like(getattr(c, port), name=f"{name}_{port}") for port in ("acc", "mantissa", "shift")}
        group = {"i_group": c.group} if self.tile.row_groups > 1 else {}
        m.submodules[name] = Instance(
            name, **group, i_clk=ClockSignal(), i_step=c.step, i_first=c.first, i_last=c.last, i_x=c.plane,
            i_read=c.read, i_beat=c.beat, o_acc=found["acc"], o_mantissa=found["mantissa"], o_shift=found["shift"],
        )  # fmt: skip
        return found


def text_of(tile: Tile, view: str = "behavioural") -> str:
    (file,) = VIEWS[view].files(tile)
    return "\n".join(file.lines) + "\n"


def planes(tile: Tile, vectors: np.ndarray, exponents: Iterable[int]) -> list[int]:
    """Vectors [T, N] as words; padding lanes hold noise."""
    rng = np.random.default_rng(1)
    words = []
    for x, exponent in zip(vectors, exponents, strict=True):
        slots = np.array([rng.integers(-128, 128) if c is None else x[c] for c in tile.columns])
        for b in [*range(tile.act_bits)] * tile.row_groups:
            plane = pack(slots >> b & 1, 1)
            words.append(plane | pack([exponent], EXPONENT_BITS) << len(slots))
    return words


def accumulators(tile: Tile, vectors: np.ndarray, exponents: Iterable[int], scale_bits: int) -> list[int]:
    """The words that must come out: the golden product, rounded, row by row, with each row's scale."""
    found = []
    for y, exponent in zip(round_shift(matmul(vectors, tile.weights.T), tile.drop_bits), exponents, strict=True):
        for first in range(0, len(tile.rows), tile.lanes):
            beat = tile.rows[first : first + tile.lanes]
            fields = [
                ([0 if r is None else y[r] for r in beat], tile.acc_bits),
                ([0 if r is None else tile.mantissa[r] for r in beat], scale_bits),
                ([0 if r is None else tile.shift[r] for r in beat], SHIFT_BITS),
                ([exponent], EXPONENT_BITS),
            ]
            word = offset = 0
            for lanes, width in fields:
                word |= pack(lanes, width) << offset
                offset += len(lanes) * width
            found.append(word)
    return found


def words_of(tile: Tile, vectors: np.ndarray, scale_bits: int = SCALE_BITS) -> tuple[Words, Words]:
    """What goes into the tile's `Unit`, and what it must make of it."""
    exponents = np.random.default_rng(2).integers(-128, 128, len(vectors))
    return {"x": planes(tile, vectors, exponents)}, {"y": accumulators(tile, vectors, exponents, scale_bits)}


def timing(control: Cmvm, vectors: int) -> list[Span]:
    """Planes and beats of each row group of each vector. With several row groups, each vector does for one that passes
    again."""
    planes, group_beats, spans = control.act_bits, control.group_beats, []
    read = control.beats * control.rereads
    for vector in range(vectors):
        first_plane = vector * control.row_groups * planes
        last_plane = first_plane + control.row_groups * planes - 1
        first, last = vector * read, vector * read + control.beats - 1
        for group in range(control.row_groups):
            start = first + group * group_beats
            end = first + read if group == control.row_groups - 1 else start + group_beats
            start_plane = first_plane + group * planes
            spans += paced(control.pace, "x", range(start_plane, start_plane + planes))
            spans += between(control.latency, "x", [start_plane + planes - 1], "y", [start])
            spans += paced(control.pace, "y", range(start, end))
            if start_plane + planes < vectors * control.row_groups * planes:
                spans += between(control.recovery, "y", [end - 1], "x", [start_plane + planes])
        spans += between(control.plane_span, "x", [first_plane], "x", [last_plane])
        spans += between(control.duration, "x", [last_plane], "y", [last])
        if control.rereads > 1:
            spans += between(control.again, "y", [last], "y", [last + control.beats])
        elif control.row_groups > 1 and vector < vectors - 1:
            spans += between(control.again, "y", [last], "y", [last + read])
    return spans


def check_tiles(runs: Mapping[str, tuple[Tile, np.ndarray]], folder: Path, patterns: Collection[str]) -> None:
    """Raise AssertionError unless both views of every tile give the golden products of its vectors."""
    texts, units = ["\n".join(adders()) + "\n"], {}
    for view in VIEWS:
        for name, (tile, vectors) in runs.items():
            named = renamed(tile, f"{view}_{name}")
            texts.append(text_of(named, view))
            unit = Unit(named)
            units[named.name] = Run(unit, *words_of(named, vectors), timing(unit.control, len(vectors)))
    source = folder / "tiles.sv"
    source.write_text("".join(texts))
    check_together("cmvm", units, patterns, [source])


def one_hot(width: int, values: Iterable[int]) -> np.ndarray:
    """Every value in every position, all others zero: the products are the weights themselves."""
    return np.concatenate([value * np.eye(width, dtype=np.int64) for value in values])


def steepest(weights: np.ndarray, act_bits: int) -> np.ndarray:
    """Inputs that drive partial sums to their bounds: every pair of values, chosen by the sign of the weight."""
    top = (1 << (act_bits - 1)) - 1
    values = (top, -top, -top - 1, -1, 0)
    return np.concatenate([np.where(weights < 0, a, b) for a in values for b in values])
