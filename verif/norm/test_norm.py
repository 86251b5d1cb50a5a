"""RMSNorm with its table of gains: planes, exponent and factor are the golden model's, vector behind vector."""

from pathlib import Path

import numpy as np
from amaranth.hdl import Instance, Module
from amaranth.lib import wiring
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from cmvm.together import Run, check_together
from embedding.shapes import beats, make_plan

from hc1gen.golden.norm import rms_norm
from hc1gen.rtl.cmvm import EXPONENT_BITS
from hc1gen.rtl.gain import gain_module
from hc1gen.rtl.norm import RmsNorm
from hc1gen.rtl.plan import Plan
from hc1gen.rtl.types import counter


class Norm(wiring.Component):
    """The block with its table, so that all its ports are streams; exponent and factor are 0 but on the last plane."""

    def __init__(self, plan: Plan, table: str):
        self.table, self.block = table, RmsNorm(plan.n, plan.lanes, len(plan.residual) // plan.lanes)
        self.act_bits = plan.n.config.act_bits
        super().__init__({port: self.block.signature.members[port] for port in ("x", "y")})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.block = b = self.block
        m.submodules.table = Instance(self.table, i_beat=b.beat, o_gain=b.gain.as_value())
        wiring.connect(m, wiring.flipped(self.x), b.x)
        _, last = counter(m, self.act_bits, self.y.valid & self.y.ready, "plane_index")
        m.d.comb += [self.y.valid.eq(b.y.valid), b.y.ready.eq(self.y.ready), self.y.p.plane.eq(b.y.p.plane)]
        with m.If(last):
            m.d.comb += self.y.payload.eq(b.y.payload)
        return m


def gains(plan: Plan) -> np.ndarray:
    """Random gains, the largest, its negative and zero among them (where there is room)."""
    limit = (1 << (plan.n.config.gain_bits - 1)) - 1
    found = np.random.default_rng(1).integers(-limit, limit + 1, plan.n.model.hidden)
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


def run(name: str, plan: Plan, folder: Path) -> tuple[Run, Path]:
    table = folder / f"gains_{name}.sv"
    gain = gains(plan)
    bits = plan.n.config.gain_bits
    table.write_text("\n".join(gain_module(table.stem, "norm", gain, plan.residual, plan.lanes, bits)) + "\n")
    x = vectors(plan)
    mantissas, exponent, factor = rms_norm(x, gain, plan.n)
    sent = [
        pack(beat, plan.n.residual_bits) for v in x for _ in range(2) for beat in beats(v, plan.residual, plan.lanes)
    ]
    found, act_bits = [], plan.n.config.act_bits
    for vector, scale in zip(mantissas, zip(exponent, factor, strict=True), strict=True):
        slots = np.array([0 if i is None else vector[i] for i in plan.residual])
        planes = [pack(slots >> b & 1, 1) for b in range(act_bits)]
        planes[-1] |= (pack([scale[0]], EXPONENT_BITS) | int(scale[1]) << EXPONENT_BITS) << len(slots)
        found += planes
    return Run(Norm(plan, table.stem), {"x": sent}, {"y": found}), table


def test_norm(tmp_path):
    plans = {
        "model": make_plan(16, 64, 2, residual_bits=16),
        "odd": make_plan(5, 12, 2, residual_bits=13),
        "one_lane": make_plan(1, 7, 2, residual_bits=20),
        "one_beat": make_plan(6, 6, 2, residual_bits=9),
        "one_element": make_plan(1, 1, 2, residual_bits=13),
    }
    pairs = {name: run(name, plan, tmp_path) for name, plan in plans.items()}
    runs = {name: pair[0] for name, pair in pairs.items()}
    check_together("norm", runs, STALL_PATTERNS, [pair[1] for pair in pairs.values()])
