"""Control of a CMVM tile: eight bit-planes in, beats of accumulators out."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .tile import SHIFT_BITS
from .types import counter, lanes

EXPONENT_BITS = 8
"""Signed width of the exponent of a vector entering a CMVM."""


def plane_layout(columns: int) -> data.StructLayout:
    """One bit of every mantissa of a vector, and the vector's exponent (the same on every plane)."""
    return data.StructLayout({"plane": columns, "exponent": signed(EXPONENT_BITS)})


def accumulator_layout(count: int, acc_bits: int, scale_bits: int) -> data.StructLayout:
    """A beat of accumulators with their rows' scales."""
    return data.StructLayout(
        {
            "acc": lanes(count, acc_bits),
            "mantissa": data.ArrayLayout(unsigned(scale_bits), count),
            "shift": lanes(count, SHIFT_BITS),
            "exponent": signed(EXPONENT_BITS),
        }
    )


class Cmvm(wiring.Component):
    """Drives one tile. Takes `act_bits` planes, least significant first, then reads the rows out in `beats` beats.

    The first beat is valid 2 clocks after the last plane was taken; one beat per clock. The next vector's first plane
    is taken as soon as the last beat has been read from the tile.
    """

    def __init__(self, columns: int, beats: int, count: int, acc_bits: int, scale_bits: int, act_bits: int):
        self.beats, self.act_bits = beats, act_bits
        output = accumulator_layout(count, acc_bits, scale_bits)
        super().__init__(
            {
                "x": In(stream.Signature(plane_layout(columns))),
                "y": Out(stream.Signature(output)),
                "step": Out(1),
                "first": Out(1),
                "last": Out(1),
                "plane": Out(columns),
                "read": Out(1),
                "beat": Out(range(max(beats, 2))),
                "acc": In(count * acc_bits),
                "mantissa": In(count * scale_bits),
                "shift": In(count * SHIFT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        draining = Signal()
        plane, last_plane = counter(m, self.act_bits, self.step, "plane_index")
        beat, last_beat = counter(m, self.beats, self.read, "beat_index")
        exponent = Signal.like(self.x.payload.exponent)
        out = self.y.payload
        m.d.comb += [
            self.x.ready.eq(~draining),
            self.step.eq(self.x.valid & ~draining),
            self.first.eq(~plane.any()),
            self.last.eq(last_plane),
            self.plane.eq(self.x.payload.plane),
            self.read.eq(draining & (~self.y.valid | self.y.ready)),
            self.beat.eq(beat),
            out.acc.as_value().eq(self.acc),
            out.mantissa.as_value().eq(self.mantissa),
            out.shift.as_value().eq(self.shift),
        ]
        with m.If(self.y.ready):
            m.d.sync += self.y.valid.eq(0)
        with m.If(self.step):
            m.d.sync += [exponent.eq(self.x.payload.exponent), draining.eq(last_plane)]
        with m.If(self.read):
            m.d.sync += [self.y.valid.eq(1), out.exponent.eq(exponent), draining.eq(~last_beat)]
        return m
