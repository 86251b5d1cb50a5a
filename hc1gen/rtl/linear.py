"""Linear nodes as hardware: bit-planes into a CMVM with its tile, and its accumulators into the stage's requantiser."""

import numpy as np

from ..network import Linear, Network, Residual, Stage
from ..quant.quantized import QuantizedModel
from .cmvm import Cmvm
from .requant import Requant, Source
from .tiles import needed_bits
from .wiring import Kind, Wiring, wire

TILE_PORTS = ("step", "first", "last", "part", "read", "beat", "acc", "mantissa", "shift")
"""Ports of a CMVM's controller that its tile has under the same names."""


def kinds_of(network: Network, model: QuantizedModel) -> dict[str, Kind]:
    """Name of a linear node → what the tiles of that name share over all stages; accumulators are as wide as the widest
    of them needs."""
    kinds: dict[str, Kind] = {}
    for node in network.of(Linear):
        bits = max(needed_bits(node, model.matrix(each.tensor).weights) for each in node.projections)
        widest = max(bits, kinds[node.name].acc_bits if node.name in kinds else 0)
        kinds[node.name] = Kind(len(node.columns), node.beats, node.lanes, widest, node.row_groups)
    return kinds


def shifts_of(network: Network, model: QuantizedModel) -> dict[str, range]:
    """Name of a linear node → what `shift - exponent` can be in the tiles of that name, for rows that have weights."""
    used: dict[str, list[np.ndarray]] = {}
    exponents = {node.name: node.source.exponents for node in network.of(Linear)}
    for node in network.of(Linear):
        for tensor in node.hardwired(model):
            used.setdefault(node.name, []).append(tensor.shift[tensor.integers.any(axis=1)])
    return {name: _range(np.concatenate(found), exponents[name]) for name, found in used.items()}


def _range(shifts: np.ndarray, exponents: range) -> range:
    low, high = (int(shifts.min()), int(shifts.max())) if len(shifts) else (0, 0)
    return range(low - exponents[-1], high - exponents[0] + 1)


@wire.register
def _(node: Linear, stage: Wiring) -> None:
    """Planes → CMVM and tile → requantiser, a source of it for every linear node of the stage."""
    kind, c = stage.kinds[node.name], stage.network.plan.n.config
    source = node.source
    cmvm = stage.place(
        f"{node.name}_cmvm", f"cmvm_{node.name}", (kind, source.factor_bits, node.rereads),
        lambda: Cmvm(
            kind.columns, kind.beats, kind.lanes, kind.acc_bits, c.scale_bits, c.act_bits, source.factor_bits,
            node.rereads, kind.parts,
        ),
    )  # fmt: skip
    stage.take(cmvm)
    nets = {port: stage.netlist.net(cmvm, port) for port in TILE_PORTS if port in cmvm.widths}
    plane = stage.netlist.net(cmvm, "plane")
    stage.netlist.text_module(f"{node.name}_tile", node.module, {"clk": "clk", "x": plane, **nets})
    sources = _sources(stage)
    requant = stage.shared(
        "requant", "requant", sources, lambda: Requant(*sources, drop_bits=c.drop_bits)
    )  # fmt: skip
    index = stage.linears.index(node)
    stage.take(requant, f"x{index}", f"y{sources[index].sink}")


def _sources(stage: Wiring) -> tuple[Source, ...]:
    """What the stage's linear nodes are to its requantiser. Results that are added to the residual stream leave through
    one sink, all others through one of their own."""
    sinks: dict[str, int] = {}
    scale_bits = stage.network.plan.n.config.scale_bits
    return tuple(
        Source(
            sinks.setdefault(_taker(stage.stage, node), len(sinks)), stage.kinds[node.name].acc_bits, scale_bits,
            node.lane_bits, stage.shifts[node.name], node.source.factor_bits,
        )
        for node in stage.linears
    )  # fmt: skip


def _taker(stage: Stage, node: Linear) -> str:
    """What takes a node's results: the residual stream, or something behind this node alone."""
    return Residual.__name__ if isinstance(stage.behind(node), Residual) else node.name
