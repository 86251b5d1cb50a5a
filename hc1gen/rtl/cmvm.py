"""Control of a CMVM tile: eight bit-planes in, beats of accumulators out."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .types import counter, lanes

SHIFT_BITS = 8
"""Signed width of a row's shift."""
EXPONENT_BITS = 8
"""Signed width of the exponent of a vector entering a CMVM."""


def plane_layout(columns: int, factor_bits: int = 0) -> data.StructLayout:
    """One bit of every mantissa of a vector; its exponent and factor hold with the last plane."""
    return data.StructLayout({"plane": columns, **_common(factor_bits)})


def accumulator_layout(count: int, acc_bits: int, scale_bits: int, factor_bits: int = 0) -> data.StructLayout:
    """A beat of accumulators with their rows' scales, and what all of the vector have in common."""
    return data.StructLayout(
        {
            "acc": lanes(count, acc_bits),
            "mantissa": data.ArrayLayout(unsigned(scale_bits), count),
            "shift": lanes(count, SHIFT_BITS),
            **_common(factor_bits),
        }
    )


def _common(factor_bits: int) -> dict[str, ShapeLike]:
    """Fields that all elements of a vector share; there is no factor where it has no bits."""
    return {"exponent": signed(EXPONENT_BITS), **({"factor": unsigned(factor_bits)} if factor_bits else {})}


class Cmvm(wiring.Component):
    """Drives one tile: takes `act_bits` planes, least significant first, then reads the rows out in `beats` beats, so
    often as `times` says. A tile in several parts takes the planes for each part, which is then read out.

    The first beat is valid 2 clocks after the last plane was taken; one beat per clock. The next planes are taken when
    the last beat leaves.
    """

    def __init__(
        self, columns: int, beats: int, count: int, acc_bits: int, scale_bits: int, act_bits: int,
        factor_bits: int = 0, times: int = 1, parts: int = 1,
    ):  # fmt: skip
        self.beats, self.act_bits, self.factor_bits, self.times, self.parts = beats, act_bits, factor_bits, times, parts
        self.part_beats = -(-beats // parts)
        output = accumulator_layout(count, acc_bits, scale_bits, factor_bits)
        super().__init__(
            {
                "x": In(stream.Signature(plane_layout(columns, factor_bits))),
                "y": Out(stream.Signature(output)),
                "step": Out(1),
                "first": Out(1),
                "last": Out(1),
                "plane": Out(columns),
                "read": Out(1),
                **({"part": Out(range(parts))} if parts > 1 else {}),
                "beat": Out(range(max(self.part_beats, 2))),
                "acc": In(count * acc_bits),
                "mantissa": In(count * scale_bits),
                "shift": In(count * SHIFT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        draining, free = Signal(), Signal()
        plane, last_plane = counter(m, self.act_bits, self.step, "plane_index")
        beat, ended = Signal.like(self.beat, name="beat_index"), Signal()
        _, last_time = counter(m, self.times, ended, "time_index")
        part, last_part = counter(m, self.parts, ended & last_time, "part_index")
        last_beats = self.beats - (self.parts - 1) * self.part_beats
        with m.If(self.read):
            m.d.sync += beat.eq(Mux(ended, 0, beat + 1))
        if self.parts > 1:
            m.d.comb += self.part.eq(part)
        out = self.y.payload
        m.d.comb += [
            free.eq(~self.y.valid | self.y.ready),
            self.x.ready.eq(~draining & free),
            self.step.eq(self.x.valid & self.x.ready),
            self.first.eq(~plane.any()),
            self.last.eq(last_plane),
            self.plane.eq(self.x.payload.plane),
            self.read.eq(draining & free),
            ended.eq(self.read & (beat == Mux(last_part, last_beats, self.part_beats) - 1)),
            self.beat.eq(beat),
            out.acc.as_value().eq(self.acc),
            out.mantissa.as_value().eq(self.mantissa),
            out.shift.as_value().eq(self.shift),
        ]
        with m.If(self.y.ready):
            m.d.sync += self.y.valid.eq(0)
        with m.If(self.step):
            m.d.sync += [out.exponent.eq(self.x.payload.exponent), draining.eq(last_plane)]
            if self.factor_bits:
                m.d.sync += out.factor.eq(self.x.payload.factor)
        with m.If(self.read):
            m.d.sync += [self.y.valid.eq(1), draining.eq(~(ended & last_time))]
        return m
