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
    often as `rereads` says. A tile in several row groups takes the planes for each group, which is then read out.
    """

    latency = 2
    """Clocks from the last plane of a group to the group's first beat."""
    pace = 1
    """Clocks from one plane to the next, and from one beat to the next."""
    recovery = 0
    """Clocks from the last beat of a group until the first plane of the next one, or of the next vector, is taken."""

    def __init__(
        self, columns: int, beats: int, count: int, acc_bits: int, scale_bits: int, act_bits: int,
        factor_bits: int = 0, rereads: int = 1, row_groups: int = 1,
    ):  # fmt: skip
        self.beats, self.act_bits, self.factor_bits, self.rereads, self.row_groups = (
            beats,
            act_bits,
            factor_bits,
            rereads,
            row_groups,
        )
        self.group_beats = -(-beats // row_groups)
        self.last_beats = beats - (row_groups - 1) * self.group_beats
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
                **({"group": Out(range(row_groups))} if row_groups > 1 else {}),
                "beat": Out(range(max(self.group_beats, 2))),
                "acc": In(count * acc_bits),
                "mantissa": In(count * scale_bits),
                "shift": In(count * SHIFT_BITS),
            }
        )

    @property
    def plane_span(self) -> int:
        """Clocks from the first plane of a vector to its last one for the last row group; the others are read out
        in between."""
        planes = (self.act_bits - 1) * self.pace
        group = planes + self.latency + (self.group_beats - 1) * self.pace + self.recovery
        return (self.row_groups - 1) * group + planes

    @property
    def duration(self) -> int:
        """Clocks from the last plane for the last row group to that group's last beat, read for the first time."""
        return self.latency + (self.last_beats - 1) * self.pace

    @property
    def again(self) -> int:
        """Clocks from the last beat of a vector to the same beat, where all rows are read twice: with one row group
        from the accumulators, with several from the planes, which pass again."""
        if self.row_groups == 1:
            return self.beats * self.pace
        return self.recovery + self.plane_span + self.duration

    def elaborate(self, platform: object) -> Module:
        m = Module()
        draining, free = Signal(), Signal()
        plane, last_plane = counter(m, self.act_bits, self.step, "plane_index")
        beat, ended = Signal.like(self.beat, name="beat_index"), Signal()
        _, last_reread = counter(m, self.rereads, ended, "reread_index")
        group, last_group = counter(m, self.row_groups, ended & last_reread, "group_index")
        with m.If(self.read):
            m.d.sync += beat.eq(Mux(ended, 0, beat + 1))
        if self.row_groups > 1:
            m.d.comb += self.group.eq(group)
        out = self.y.payload
        m.d.comb += [
            free.eq(~self.y.valid | self.y.ready),
            self.x.ready.eq(~draining & free),
            self.step.eq(self.x.valid & self.x.ready),
            self.first.eq(~plane.any()),
            self.last.eq(last_plane),
            self.plane.eq(self.x.payload.plane),
            self.read.eq(draining & free),
            ended.eq(self.read & (beat == Mux(last_group, self.last_beats, self.group_beats) - 1)),
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
            m.d.sync += [self.y.valid.eq(1), draining.eq(~(ended & last_reread))]
        return m
