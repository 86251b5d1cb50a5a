"""Linear nodes as hardware: a CMVM with its tile takes bit-planes, and the stage's requantiser takes accumulators."""

import numpy as np

from ..network import Linear, Network, Norm, Residual, Stage
from ..quant.quantized import QuantizedModel
from .cmvm import Cmvm
from .requant import Requant, Source
from .tiles import needed_bits
from .timing import Step, Walk, clocks
from .wiring import Kind, Wiring, wire

TILE_PORTS = ("step", "first", "last", "group", "read", "beat", "acc", "mantissa", "shift")
"""Ports that a CMVM's controller and its tile have under the same names."""


def kinds_of(network: Network, model: QuantizedModel) -> dict[str, Kind]:
    """Name of a linear node → what the tiles of that name have in common in all stages.

    All their accumulators are as wide as the tile that needs the most bits.
    """
    kinds: dict[str, Kind] = {}
    for node in network.of(Linear):
        bits = max(needed_bits(node, model.matrix(each.tensor).weights) for each in node.projections)
        widest = max(bits, kinds[node.name].acc_bits if node.name in kinds else 0)
        kinds[node.name] = Kind(len(node.columns), node.beats, node.lanes, widest, node.row_groups)
    return kinds


def shifts_of(network: Network, model: QuantizedModel) -> dict[str, range]:
    """Name of a linear node → range of `shift - exponent` in the tiles of that name, over rows that have weights."""
    used: dict[str, list[np.ndarray]] = {}
    exponents = {node.name: node.source.exponents for node in network.of(Linear)}
    for node in network.of(Linear):
        for tensor in node.hardwired(model):
            used.setdefault(node.name, []).append(tensor.shift[tensor.integers.any(axis=1)])
    return {name: _range(np.concatenate(found), exponents[name]) for name, found in used.items()}


def _range(shifts: np.ndarray, exponents: range) -> range:
    """Every value of `shift - exponent`, from its smallest to its largest; shift 0 if there is no row."""
    low, high = (int(shifts.min()), int(shifts.max())) if len(shifts) else (0, 0)
    return range(low - exponents[-1], high - exponents[0] + 1)


@wire.register
def _(node: Linear, stage: Wiring) -> None:
    """A CMVM with its tile, and behind it the requantiser, which all linear nodes of the stage share.

    Each linear node is one source of the requantiser.
    """
    kind, c = stage.kinds[node.name], stage.network.plan.n.config
    source = node.source
    cmvm = stage.place(
        f"{node.name}_cmvm", f"cmvm_{node.name}", (kind, source.factor_bits, node.rereads),
        lambda: Cmvm(
            kind.columns, kind.beats, kind.lanes, kind.acc_bits, c.scale_bits, c.act_bits, source.factor_bits,
            node.rereads, kind.row_groups,
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
    """The linear nodes of the stage as sources of its requantiser.

    All results that are added to the residual stream leave through one sink; the results of every other node have a
    sink of their own.
    """
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
    """A name for what takes the results of a node: the residual stream, or the node behind it alone."""
    return Residual.__name__ if isinstance(stage.behind(node), Residual) else node.name


@clocks.register
def _(node: Linear, walk: Walk) -> list[Step]:
    """From a vector's first bit-plane to its last result of the first pass.

    The steps are the planes, which pass once for each row group, the read-out of the last row group, and the
    requantisation.
    """
    cmvm, requant = walk.blocks[f"cmvm_{node.name}"], walk.shared("requant")
    walk.linear, walk.linear_began = node, walk.elapsed
    share = 1 / node.replays
    results = f"{walk.unit('requant')}_y{requant.sources[walk.stage.of(Linear).index(node)].sink}"
    read, requantised = f"{node.name}_cmvm_y", results
    residuals = walk.stage.of(Residual)
    if walk.stage.behind(node) in residuals[:-1]:
        read = requantised = ""  # the first result waits at the residual block, which may hold up the read-out
    return [
        Step(f"{node.name} planes", cmvm.plane_span, _planes(node, walk), node.rereads * share),
        Step(f"{node.name} CMVM", cmvm.duration, read, share),
        Step(f"{node.name} requantise", requant.latency, requantised, _results(node, walk, share)),
    ]


def _planes(node: Linear, walk: Walk) -> str:
    """The stream that brings a node its bit-planes: that of the norm or of the quantiser in front of it."""
    before = walk.stage.nodes[walk.stage.nodes.index(node) - 1]
    if isinstance(before, Norm):
        return f"{walk.unit('norm')}_y{walk.stage.of(Norm).index(before)}"
    return f"{before.name}_y"


def _results(node: Linear, walk: Walk, share: float) -> float:
    """The share of a sink's words that have left when the results of the node have: several nodes may share the sink
    to the residual stream.
    """
    takers = [each for each in walk.stage.of(Linear) if isinstance(walk.stage.behind(each), Residual)]
    if node not in takers:
        return share
    return (takers.index(node) + 1) / len(takers)
