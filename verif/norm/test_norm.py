"""RMSNorm with its table of gains: planes, exponent and factor are the golden model's, vector behind vector."""

from pathlib import Path

import numpy as np
from amaranth.hdl import Array, Cat, Instance, Module, Mux, Signal
from amaranth.lib import wiring
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from bench.timing import Span, between, paced
from cmvm.together import Run, check_together
from embedding.shapes import beats, make_plan

from hc1gen import network
from hc1gen.golden.norm import rms_norm
from hc1gen.network import Plan
from hc1gen.rtl.cmvm import EXPONENT_BITS
from hc1gen.rtl.gain import gain_module
from hc1gen.rtl.norm import RmsNorm


class Norm(wiring.Component):
    """The block with its tables, so that all its ports are streams; exponent and factor are 0 before they hold.

    With several users, vectors are theirs in turn.
    """

    def __init__(self, plan: Plan, tables: list[str], passes: tuple[int, ...]):
        beats = len(plan.residual) // plan.lanes
        self.tables, self.block = tables, RmsNorm(plan.n, plan.lanes, beats, passes)
        self.planes = [plan.n.config.act_bits * r for r in passes]
        members = self.block.signature.members
        super().__init__({name: member for name, member in members.items() if name[0] in "xy"})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.block = b = self.block
        for i, table in enumerate(self.tables):
            m.submodules[f"table{i}"] = Instance(table, i_beat=b.beat, o_gain=getattr(b, f"gain{i}").as_value())
        wiring.connect(m, wiring.flipped(self.x), b.x)
        ys = [(getattr(self, f"y{i}"), getattr(b, f"y{i}")) for i in range(len(self.tables))]
        given = Cat(y.valid & y.ready for y, _ in ys).any()
        plane, user = Signal(range(max(self.planes))), Signal(range(max(len(ys), 2)))
        last = plane == Array(count - 1 for count in self.planes)[user]
        with m.If(given):
            m.d.sync += plane.eq(Mux(last, 0, plane + 1))
        with m.If(given & last):
            m.d.sync += user.eq(Mux(user == len(ys) - 1, 0, user + 1))
        if len(ys) > 1:
            m.d.comb += b.user.eq(user)
        for y, made in ys:
            m.d.comb += [y.valid.eq(made.valid), made.ready.eq(y.ready), y.p.plane.eq(made.p.plane)]
            with m.If(plane >= b.factor_latency):
                m.d.comb += y.payload.eq(made.payload)
        return m


def gains(plan: Plan, seed: int) -> np.ndarray:
    """Random gains, the largest, its negative and zero among them (where there is room)."""
    limit = (1 << (plan.n.config.gain_bits - 1)) - 1
    found = np.random.default_rng(seed).integers(-limit, limit + 1, plan.n.model.hidden)
    found[: 3 if len(found) > 3 else 1] = [-limit, limit, 0][: 3 if len(found) > 3 else 1]
    return found


def vectors(plan: Plan) -> np.ndarray:
    """Zero, both ends, one element that is not zero, and random ones of every magnitude: [T, D]."""
    bits, size = plan.n.residual_bits, plan.n.model.hidden
    top = 1 << (bits - 1)
    special = [np.zeros(size), np.full(size, -top), np.full(size, top - 1), np.zeros(size)]
    for place, value in ((0, 1), (size - 1, -1), (size // 2, -top), (size - 1, top - 1), (0, -top)):
        special.append(np.zeros(size))
        special[-1][place] = value
    low = [np.full(size, 1 << bit) for bit in range(bits - 1)]
    powers = low + [np.where(np.arange(size) == bit % size, 1 << bit, 0) for bit in range(bits - 1)]
    rng = np.random.default_rng(size)
    random = rng.normal(size=(60, size)) * 2.0 ** rng.uniform(0, bits, (60, 1))
    return np.clip(np.round(np.concatenate([special, powers, random])), -top, top - 1).astype(np.int64)


def node_of(plan: Plan, module: str) -> network.Norm:
    """The node of a norm over the residual stream."""
    return network.Norm("norm", module, "norm", plan.n.model.hidden, plan.residual, plan.lanes, 1)


def run(name: str, plan: Plan, folder: Path, passes: tuple[int, ...]) -> tuple[Run, list[Path]]:
    users = len(passes)
    tables = [folder / f"gains_{name}{user}.sv" for user in range(users)]
    all_gains = [gains(plan, seed) for seed in range(1, users + 1)]
    bits = plan.n.config.gain_bits
    for table, gain in zip(tables, all_gains, strict=True):
        table.write_text("\n".join(gain_module(node_of(plan, table.stem), gain, bits)) + "\n")
    sent: list[int] = []
    found: dict[str, list[int]] = {f"y{user}": [] for user in range(users)}
    for turn, x in enumerate(vectors(plan)):
        mantissas, exponent, factor = rms_norm(x[None], all_gains[turn % users], plan.n)
        sent += [pack(beat, plan.n.residual_bits) for _ in range(2) for beat in beats(x, plan.residual, plan.lanes)]
        slots = np.array([0 if i is None else mantissas[0, i] for i in plan.residual])
        planes = [pack(slots >> b & 1, 1) for b in range(plan.n.config.act_bits)] * passes[turn % users]
        tail = (pack([exponent[0]], EXPONENT_BITS) | int(factor[0]) << EXPONENT_BITS) << len(slots)
        held = RmsNorm.factor_latency // RmsNorm.pace
        found[f"y{turn % users}"] += planes[:held] + [plane | tail for plane in planes[held:]]
    norm = Norm(plan, [table.stem for table in tables], passes)
    return Run(norm, {"x": sent}, found, timing(norm, len(vectors(plan)))), tables


def timing(norm: Norm, count: int) -> list[Span]:
    """Each vector comes twice, the next one behind all its planes."""
    block, beats, spans = norm.block, norm.block.beats, []
    first_plane = [0] * block.users
    for turn in range(count):
        start, user = 2 * beats * turn, turn % block.users
        y, plane = f"y{user}", first_plane[user]
        first_plane[user] += norm.planes[user]
        spans += between(block.latency, "x", [start + beats - 1], y, [plane])
        spans += between(block.cut.gap, "x", [start + beats - 1], "x", [start + beats])
        spans += paced(block.cut.pace, "x", range(start, start + beats))
        spans += paced(block.cut.pace, "x", range(start + beats, start + 2 * beats))
        spans += paced(block.pace, y, range(plane, first_plane[user]))
        if turn < count - 1:
            spans += between(block.recovery, y, [first_plane[user] - 1], "x", [start + 2 * beats])
    return spans


def test_norm(tmp_path):
    plans = {
        "model": (make_plan(16, 64, 2, residual_bits=16), (1, 2)),
        "odd": (make_plan(5, 12, 2, residual_bits=13), (1,)),
        "one_lane": (make_plan(1, 7, 2, residual_bits=20), (3, 1, 2)),
        "one_beat": (make_plan(6, 6, 2, residual_bits=9), (1, 1)),
        "one_element": (make_plan(1, 1, 2, residual_bits=13), (2,)),
    }
    pairs = {name: run(name, plan, tmp_path, passes) for name, (plan, passes) in plans.items()}
    runs = {name: pair[0] for name, pair in pairs.items()}
    check_together("norm", runs, STALL_PATTERNS, [table for pair in pairs.values() for table in pair[1]])
