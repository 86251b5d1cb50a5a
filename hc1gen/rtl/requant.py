"""Requantisation: what a CMVM has accumulated becomes a fixed-point number, by one multiply and one shift per row."""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .cmvm import accumulator_layout
from .types import Pipeline, lanes, named, round_shift, saturate


class Requant(wiring.Component):
    """`saturate(round_half_up(acc * mantissa / 2**(shift - exponent)))` (golden.cmvm.requantize).

    `out_bits` is the width of each lane's result, all sign-extended to the widest. Latency 2 clocks.
    """

    def __init__(self, acc_bits: int, scale_bits: int, out_bits: tuple[int, ...]):
        self.acc_bits, self.scale_bits, self.out_bits = acc_bits, scale_bits, out_bits
        count = len(out_bits)
        super().__init__(
            {
                "x": In(stream.Signature(accumulator_layout(count, acc_bits, scale_bits))),
                "y": Out(stream.Signature(lanes(count, max(out_bits)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pipe = Pipeline(m, self.x, self.y, 2)
        product_bits = self.acc_bits + self.scale_bits
        enough = product_bits + 1  # this shift and every larger one give 0
        x = self.x.payload
        for i, bits in enumerate(self.out_bits):
            product = Signal(signed(product_bits), name=f"product{i}")
            by = Signal(range(enough + 1), name=f"by{i}")
            wanted = named(m, x.shift[i] - x.exponent, f"wanted{i}")
            rounded = named(m, round_shift(product, by), f"rounded{i}")
            clipped = Mux(wanted < 0, Const(0, len(by)), Mux(wanted > enough, Const(enough), wanted[: len(by)]))
            with m.If(pipe.go):
                m.d.sync += [
                    product.eq(x.acc[i] * x.mantissa[i]),
                    by.eq(clipped),
                    self.y.payload[i].eq(saturate(rounded, bits)),
                ]
        return m
