"""The controller of a CMVM tile (constant matrix-vector multiplication): bit-planes in, beats of accumulators out."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .types import counter, lanes

SHIFT_BITS = 8
"""Signed width of the shift of a row."""
EXPONENT_BITS = 8
"""Signed width of the exponent of a vector that enters a CMVM."""


def plane_layout(columns: int, factor_bits: int = 0) -> data.StructLayout:
    """A bit-plane: one bit of every mantissa of a vector [columns], with the vector's exponent [EXPONENT_BITS, signed]
    and, if `factor_bits` is not 0, its factor [factor_bits, unsigned]. Both are valid with the last plane.
    """
    return data.StructLayout({"plane": columns, **_common(factor_bits)})


def accumulator_layout(count: int, acc_bits: int, scale_bits: int, factor_bits: int = 0) -> data.StructLayout:
    """A beat of results: for each of `count` lanes the accumulator [acc_bits, signed], the row's scale as a mantissa
    [scale_bits, unsigned] and a right shift [SHIFT_BITS, signed]; and the exponent and factor of the whole vector.
    """
    return data.StructLayout(
        {
            "acc": lanes(count, acc_bits),
            "mantissa": data.ArrayLayout(unsigned(scale_bits), count),
            "shift": lanes(count, SHIFT_BITS),
            **_common(factor_bits),
        }
    )


def _common(factor_bits: int) -> dict[str, ShapeLike]:
    """The fields that all elements of a vector share; if `factor_bits` is 0, there is no factor."""
    return {"exponent": signed(EXPONENT_BITS), **({"factor": unsigned(factor_bits)} if factor_bits else {})}


class Cmvm(wiring.Component):
    """Controls one CMVM tile: feeds it the bit-planes of a vector, then reads its rows out beat by beat.

    A tile in several row groups takes all planes once for each group, and the rows of the group are read out before the
    next group begins.

    Parameters
        columns: bits of a plane.
        beats: beats of results, over all row groups.
        count: lanes, rows of a beat.
        acc_bits: signed width of an accumulator.
        scale_bits: unsigned width of the mantissa of a row's scale.
        act_bits: planes of a vector.
        factor_bits: unsigned width of the factor of a vector; 0 if there is none.
        rereads: how often the rows are read out after the planes, at least 1.
        row_groups: groups of beats that share registers. All groups have `group_beats` beats, but the last one has
            `last_beats`.
    Ports
        x (in, stream of `plane_layout`): `act_bits` planes for each row group, least significant first.
        y (out, stream of `accumulator_layout`): the rows of each group, `rereads` times.
        step, first, last (out, 1 bit each): to the tile: take `plane` in this clock; it is the first, or the last,
            plane.
        plane (out, `columns` bits): to the tile: the plane.
        read (out, 1 bit): to the tile: put beat `beat` on acc, mantissa and shift in the next clock.
        group (out, unsigned, 0..row_groups - 1; only with several row groups): to the tile: number of the row group.
        beat (out, unsigned, 0..group_beats - 1): to the tile: number of the beat within its group.
        acc, mantissa, shift (in, `count` fields each of acc_bits, scale_bits and SHIFT_BITS bits): from the tile: the
            beat that was read last. They must stand until the next `read`.
        Reset discards the vector inside; the next plane is then the first one of a vector.
    Timing
        latency, pace, recovery, plane_span, duration, again.
    Golden counterpart
        `hc1gen.golden.cmvm.linear`: its product, before `requantize`.
    """

    latency = 2
    """Clocks from the last plane for a row group to the first beat of the group."""
    pace = 1
    """Clocks from one plane to the next, and from one beat to the next."""
    recovery = 0
    """Clocks from the last beat of a group until the next plane is taken, for the next group or of the next vector."""

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
        """Clocks from the first plane of a vector to its last plane for the last row group. The other row groups are
        read out in between.
        """
        planes = (self.act_bits - 1) * self.pace
        group = planes + self.latency + (self.group_beats - 1) * self.pace + self.recovery
        return (self.row_groups - 1) * group + planes

    @property
    def duration(self) -> int:
        """Clocks from the last plane for the last row group to the last beat of that group's first read-out."""
        return self.latency + (self.last_beats - 1) * self.pace

    @property
    def again(self) -> int:
        """Clocks from the last beat of a vector's results to the same beat of their second pass.

        With one row group, the rows are reread from their registers. With several, the planes pass again.
        """
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
