"""The embedding: the row of a token in a hardwired table, times the scale of the row, as residual-stream beats."""

from collections.abc import Iterator

import numpy as np
from amaranth.hdl import Array, Instance, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from ..fabric.digits import BASE_BITS, LARGEST, digits
from ..network import Order, Plan
from ..quant.grid import row_bits, row_bounds
from ..quant.quantized import QuantizedModel, Table
from .payloads import tag, tagged, tagged_token
from .tiles import File
from .timing import Step, Walk, clocks
from .types import Pipeline, counter, lanes, saturate
from .wiring import Wiring, tables, wire


def embedding_scale_bits(table: Table) -> int:
    """Unsigned width of a scale, wide enough for every row of the table; at least 1."""
    return max(1, int(table.scale.max()).bit_length())


def embedding_bits(table: Table) -> int:
    """Signed width of a weight, wide enough for every row: 3, or more if the model has rows of more bits."""
    return int(row_bits(table.weights).max())


def embedding_rom(node: network.Embedding, table: Table, token_bits: int) -> Iterator[str]:
    """The Verilog module `node.module`, which is combinational: its lines, each with its line break.

    Ports
        token (in, token_bits bits): a token id.
        row (out, embedding_bits(table) bits for each place of `node.order`): the weights of the token, two's
            complement, in the order of the residual stream, the first one in the low bits; padding is 0.
        scale (out, embedding_scale_bits(table) bits, unsigned): the scale of the row.
        mirrored (out, 1 bit): if 1, `row` holds the negated weights.
        All outputs are 0 for a token id that is not in the vocabulary.
    """
    weight_bits, scale_bits = embedding_bits(table), embedding_scale_bits(table)
    bits = weight_bits * len(node.order)
    size = f"{node.vocab} tokens x {node.width} weights of {weight_bits} bits"
    yield f"// {node.tensor}: {size}, and a scale per token.\n"
    yield f"// row: {len(node.order)} weights in the order of the residual stream, the first in the low bits.\n"
    yield f"module {node.module} (\n    input wire [{token_bits - 1}:0] token,\n"
    yield f"    output reg [{bits - 1}:0] row,\n    output reg [{scale_bits - 1}:0] scale,\n"
    yield "    output reg mirrored\n);\n"
    yield "    always @* case (token)\n"
    mirrored = row_bounds(table.weights, weight_bits)[1] >= 1 << weight_bits - 1
    rows = np.where(mirrored[:, None], -table.weights, table.weights)
    for token, (weights, scale, sign) in enumerate(zip(rows, table.scale, mirrored, strict=True)):
        row = _row(weights, weight_bits, node.order)
        yield (
            f"        {token_bits}'d{token}: begin scale = {scale_bits}'d{int(scale)}; mirrored = 1'b{int(sign)};"
            f" row = {bits}'h{row:0{-(-bits // 4)}x}; end\n"
        )
    yield f"        default: begin scale = {scale_bits}'d0; mirrored = 1'b0; row = {bits}'d0; end\n"
    yield "    endcase\nendmodule\n"


def _row(weights: np.ndarray, bits: int, order: Order) -> int:
    """Weights [width] as one integer: `bits` bits for each place of `order`, the first place in the low bits."""
    places = np.arange(bits)
    ordered = np.array([0 if i is None else int(weights[i]) for i in order])
    ones = (ordered[:, None] >> places & 1).astype(np.uint8)
    return int.from_bytes(np.packbits(ones.reshape(-1), bitorder="little").tobytes(), "little")


class Embedding(wiring.Component):
    """Looks up a token's row of hardwired weights and multiplies it by the scale of the row.

    A ROM gives the whole row in the clock in which the token is offered, and a counter selects the weights of one beat.
    All lanes share one multiplication: the scale times every value that a weight can have.

    Parameters
        plan: lanes, widths and the order of the residual stream.
        rom: name of the module that `embedding_rom` writes.
        weight_bits: signed width of a weight, `embedding_bits(table)`.
        scale_bits: unsigned width of a scale, `embedding_scale_bits(table)`.
    Ports
        x (in, stream of `tagged_token`): a token id and its tag. The token is taken together with the last beat of its
            row; valid and payload must stand until then.
        y (out, stream of `tagged`, `plan.lanes` elements of `plan.n.residual_bits` bits): `saturate(weight * scale)` in
            the order `plan.residual`, padding lanes 0, and in every beat the tag of the token.
        Reset empties the pipeline; the next beat is then the first one of a row.
    Timing
        latency, pace.
    Golden counterpart
        `hc1gen.golden.model.Session.forward`: the product of weights and scale, saturated.
    """

    latency = 2
    """Clocks from the first clock in which a token is offered to its first beat."""
    pace = 1
    """Clocks from one beat to the next, within a token and from token to token."""

    def __init__(self, plan: Plan, rom: str, weight_bits: int, scale_bits: int):
        self.plan, self.rom = plan, rom
        self.weight_bits = weight_bits
        self.scale_bits = scale_bits
        super().__init__(
            {
                "x": In(stream.Signature(tagged_token(plan.token_bits, plan.position_bits))),
                "y": Out(stream.Signature(tagged(plan.position_bits, plan.lanes, plan.n.residual_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        tag_of = tag(plan.position_bits)
        row, scale, mirrored = Signal(self.weight_bits * len(plan.residual)), Signal(self.scale_bits), Signal()
        m.submodules.rom = Instance(
            self.rom, i_token=self.x.p.token, o_row=row, o_scale=scale, o_mirrored=mirrored
        )  # fmt: skip
        beats = stream.Signature(tag_of).create()  # the pipeline takes one transfer per beat, and x only one per token
        pipeline = Pipeline(m, beats, self.y, self.latency)
        count, last = counter(m, len(plan.residual) // plan.lanes, pipeline.go & self.x.valid, "beat")
        m.d.comb += [beats.valid.eq(self.x.valid), beats.payload.eq(self.x.p.tag), self.x.ready.eq(beats.ready & last)]

        weights = Signal(lanes(plan.lanes, self.weight_bits), reset_less=True)
        held_scale, held_tag = Signal(signed(self.scale_bits + 1), reset_less=True), Signal(tag_of, reset_less=True)
        values = Signal(lanes(plan.lanes, plan.n.residual_bits), reset_less=True)
        m.d.comb += self.y.p.lanes.eq(values)
        with m.If(pipeline.go & self.x.valid):
            m.d.sync += [
                weights.as_value().eq(row.word_select(count, self.weight_bits * plan.lanes)),
                held_scale.eq(Mux(mirrored, -scale, scale)),
                held_tag.eq(beats.payload),
            ]
        multiples = self._multiples(m, held_scale)
        with m.If(pipeline.go & pipeline.valid[0]):
            m.d.sync += self.y.p.tag.eq(held_tag)
            for i in range(plan.lanes):
                m.d.sync += values[i].eq(multiples[weights[i].as_unsigned()])
        return m

    def _multiples(self, m: Module, scale: Value) -> Array:
        """The saturated product of `scale` (signed) and a weight, for every weight; the index is the weight's bits.

        A weight is one or two signed digits of magnitude 0 to 4 (`fabric.digits`), so shifts and additions suffice.
        """
        bits = self.plan.n.residual_bits
        triple = Signal(signed(self.scale_bits + 3))
        m.d.comb += triple.eq(scale + (scale << 1))
        magnitudes = [0, scale, scale << 1, triple, scale << 2]
        table = []
        for code in range(1 << self.weight_bits):
            weight = code - (code >> self.weight_bits - 1 << self.weight_bits)
            low, high = (magnitudes[d] if d >= 0 else -magnitudes[-d] for d in digits(np.array([weight]))[:, 0])
            exact = Signal(signed(self.scale_bits + self.weight_bits + 1), name=f"times_{code}")
            value = Signal(signed(bits), name=f"value_{code}")
            m.d.comb += exact.eq(low + (high << BASE_BITS) if abs(weight) > LARGEST else low)
            m.d.comb += value.eq(exact if len(exact) <= bits else saturate(exact, bits))
            table.append(value)
        return Array(table)


@wire.register
def _(node: network.Embedding, stage: Wiring) -> None:
    """One block, the first of the model: it takes the tokens."""
    plan, table = stage.network.plan, stage.model.table(node.tensor)
    bits = embedding_bits(table), embedding_scale_bits(table)
    stage.take(stage.place(node.name, "embedding", bits, lambda: Embedding(plan, node.module, *bits)))


@tables.register
def _(node: network.Embedding, model: QuantizedModel, plan: Plan) -> Iterator[File]:
    """The ROM that holds the table."""
    lines = embedding_rom(node, model.table(node.tensor), plan.token_bits)
    yield File(f"rtl/tiles/{node.module}.sv", node.module, lines)


@clocks.register
def _(node: network.Embedding, walk: Walk) -> list[Step]:
    """From the clock in which the token is offered to its first beat."""
    return [Step(node.name, Embedding.latency, "embedding_y", 0)]
