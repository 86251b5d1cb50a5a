"""RMSNorm with its table of gains: products and factor are the golden model's, vector behind vector."""

from pathlib import Path

import numpy as np
from amaranth.hdl import Instance, Module
from amaranth.lib import wiring
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from cmvm.together import Run, check_together
from embedding.shapes import beats, make_plan

from hc1gen.golden.norm import rms_norm
from hc1gen.rtl.norm import RmsNorm
from hc1gen.rtl.plan import Plan
from hc1gen.rtl.gain import gain_module


class Norm(wiring.Component):
    """The block with its table, so that all its ports are streams."""

    def __init__(self, plan: Plan, table: str):
        self.table, self.block = table, RmsNorm(plan.n, plan.lanes, len(plan.residual) // plan.lanes)
        super().__init__({port: self.block.signature.members[port] for port in ("x", "y", "factor")})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.block = b = self.block
        m.submodules.table = Instance(self.table, i_beat=b.beat, o_gain=b.gain.as_value())
        wiring.connect(m, wiring.flipped(self.x), b.x)
        wiring.connect(m, b.y, wiring.flipped(self.y))
        wiring.connect(m, b.factor, wiring.flipped(self.factor))
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
    powers = [np.where(np.arange(size) == bit % size, 1 << bit, 0) for bit in range(bits - 1)]
    rng = np.random.default_rng(size)
    random = rng.normal(size=(60, size)) * 2.0 ** rng.uniform(0, bits, (60, 1))
    return np.clip(np.round(np.concatenate([special, powers, random])), -top, top - 1).astype(np.int64)


def run(name: str, plan: Plan, folder: Path) -> tuple[Run, Path]:
    table = folder / f"gains_{name}.sv"
    gain = gains(plan)
    bits = plan.n.config.gain_bits
    table.write_text("\n".join(gain_module(table.stem, "norm", gain, plan.residual, plan.lanes, bits)) + "\n")
    x = vectors(plan)
    product, mantissa, k = rms_norm(x, gain, plan.n)
    words = {"x": (x, plan.n.residual_bits), "y": (product, plan.n.product_bits)}
    found = {
        port: [pack(beat, width) for v in values for beat in beats(v, plan.residual, plan.lanes)]
        for port, (values, width) in words.items()
    }
    factor = [int(a) | int(b) << plan.n.config.rsqrt_bits for a, b in zip(mantissa, k, strict=True)]
    return Run(Norm(plan, table.stem), {"x": found["x"]}, {"y": found["y"], "factor": factor}), table


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
