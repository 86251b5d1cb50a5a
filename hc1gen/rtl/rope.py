"""Rotary position embedding of keys and queries; values pass, rounded to the width of the cache."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .timing import Step, Walk, clocks
from .types import Lookup, Pipeline, counter, lanes, named, round_shift, saturate
from .wiring import Wiring, wire


class Rope(wiring.Component):
    """`golden.rope.rotate` of the segments that are turned, rounding and saturation of the others.

    A rotary pair lies in lanes 2j and 2j + 1. The angles of `position` are found when it changes, one sine per clock,
    in the shadow of the norm; `x` waits for them.
    """

    latency = 2
    """Clocks from a beat of `x` to the same beat of `y`."""
    pace = 1
    """Clocks from one beat to the next."""

    def __init__(self, node: network.Rope):
        self.node = node
        self.angles = Angles(node)
        super().__init__(
            {
                "position": In(node.position_bits),
                "x": In(stream.Signature(lanes(node.lanes, node.n.config.qkv_bits))),
                "y": Out(stream.Signature(lanes(node.lanes, max(each.out_bits for each in node.segments)))),
            }
        )

    @property
    def angle_latency(self) -> int:
        """Clocks from the first clock of a new `position` until `x` is taken."""
        return self.angles.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.angles = angles = self.angles
        m.d.comb += angles.position.eq(self.position)
        gated = stream.Signature(self.x.payload.shape()).flip().create()
        m.d.comb += [gated.valid.eq(self.x.valid & angles.known), self.x.ready.eq(gated.ready & angles.known)]
        pipe = Pipeline(m, gated, self.y, self.latency)
        step = Signal()
        m.d.comb += step.eq(pipe.go & gated.valid)
        per_beat = self.node.lanes
        keys, values, queries = (len(segment.order) // per_beat for segment in self.node.segments)
        beat, _ = counter(m, keys + values + queries, step, "beat_index")
        is_value, is_query = Signal(), Signal()
        was_query = Signal()
        m.d.comb += [is_query.eq(beat >= keys + values), is_value.eq((beat >= keys) & ~is_query)]
        with m.If(pipe.go):
            m.d.sync += was_query.eq(is_query)
        rotated = [
            row if segment.turned else None for segment in self.node.segments for row in segment.order
        ]  # fmt: skip
        for pair in range(per_beat // 2):
            frequency = self._frequency(beat, rotated[2 * pair :: per_beat])
            cos = named(m, Array(angles.cos)[frequency], f"cos{pair}")
            sin = named(m, Array(angles.sin)[frequency], f"sin{pair}")
            self._pair(m, pipe, pair, (cos, sin), is_value, was_query)
        return m

    def _frequency(self, beat: Signal, rows: Sequence[int | None]) -> Value:
        """Which rotary pair of its head a pair of lanes holds, beat by beat; a constant where it is always the same."""
        which = [0 if row is None else row % self.node.head_dim for row in rows]
        used = {f for f, row in zip(which, rows, strict=True) if row is not None}
        if len(used) == 1:
            return Const(used.pop())
        return Array(Const(f, range(self.node.head_dim)) for f in which)[beat]

    def _pair(
        self, m: Module, pipe: Pipeline, pair: int, angle: tuple[Value, Value], is_value: Signal, was_query: Signal
    ) -> None:
        """Two lanes: products and their sum in the first clock, rounding and saturation in the second."""
        c = self.node.n.config
        cos, sin = angle
        a, b = self.x.payload[2 * pair], self.x.payload[2 * pair + 1]
        for lane, turned in ((0, a * cos - b * sin), (1, b * cos + a * sin)):
            plain = (a, b)[lane] << c.angle_bits
            held = Signal(signed(c.qkv_bits + c.angle_bits + 2), name=f"turned{2 * pair + lane}", reset_less=True)
            key = named(m, round_shift(held, c.angle_bits + c.qkv_bits - c.kv_bits), f"key{2 * pair + lane}")
            query = named(m, round_shift(held, c.angle_bits + c.qkv_bits - c.query_bits), f"query{2 * pair + lane}")
            result = Mux(was_query, saturate(query, c.query_bits), saturate(key, c.kv_bits))
            with m.If(pipe.go):
                m.d.sync += held.eq(Mux(is_value, plain, turned))
                m.d.sync += self.y.payload[2 * pair + lane].eq(result)


class Angles(wiring.Component):
    """Cosines and sines of a position (golden.rope.angles), kept until the position changes; `known` when they hold."""

    def __init__(self, node: network.Rope):
        self.n = node.n
        super().__init__({"position": In(node.position_bits), "known": Out(1)})
        shape = signed(node.n.config.angle_bits + 1)
        half = node.head_dim // 2
        self._shifted = [Signal(shape, name=f"angle{i}", reset_less=True) for i in range(2 * half)]
        self.cos, self.sin = self._shifted[::2], self._shifted[1::2]

    @property
    def latency(self) -> int:
        """Clocks from the first clock of a new position to `known`: one for each cosine and each sine, and one each to
        hold the position, to find the first phase and to keep the last sine."""
        return len(self._shifted) + 3

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, steps = self.n.config, self.n.frequency_steps
        position = Signal.like(self.position)
        running = Signal()
        index, last = counter(m, 2 * len(steps), running, "angle_index")
        stage = Signal(2)
        m.d.sync += stage.eq(Cat(running, stage[0]))
        same = Signal()
        done = Signal()
        m.d.comb += [same.eq(done & (position == self.position)), self.known.eq(same)]
        with m.If(~same & ~running & ~stage.any()):
            m.d.sync += [running.eq(1), position.eq(self.position), done.eq(0)]
        with m.If(running & last):
            m.d.sync += running.eq(0)
        with m.If((stage == 2) & ~running):
            m.d.sync += done.eq(1)
        phase = Signal(unsigned(c.phase_bits), reset_less=True)
        turn_bits = c.quarter_bits + 2
        with m.If(running):  # even indices: cosine, a quarter of a turn ahead
            step = Array(Const(s, c.phase_bits) for s in steps)[index >> 1]
            quarter = Mux(index[0], 0, 1 << (c.phase_bits - 2))
            m.d.sync += phase.eq(position * step + quarter)
        value = self._sine(m, phase[c.phase_bits - turn_bits :])
        with m.If(stage[0]):
            for held, following in zip(self._shifted, [*self._shifted[1:], value], strict=True):
                m.d.sync += held.eq(following)
        return m

    def _sine(self, m: Module, turn: Value) -> Value:
        """Sine of a fraction of a turn: one quarter is stored, falling quarters mirror by complement."""
        m.submodules.sine = table = Lookup(self.n.tables.sine)
        bits = self.n.config.quarter_bits
        within, quarter = turn[:bits], turn[bits:]
        m.d.comb += table.x.eq(within ^ quarter[0].replicate(bits))
        return Mux(quarter[1], -table.y, table.y)


@wire.register
def _(node: network.Rope, stage: Wiring) -> None:
    """One block, which follows the position of the token in the stage."""
    rope = stage.place(node.name, "rope", node, lambda: Rope(node))
    rope.nets["position"] = stage.position
    stage.take(rope)


@clocks.register
def _(node: network.Rope, walk: Walk) -> list[Step]:
    """The last results wait for the angles of a new position, if these are late, and pass.

    Keys wait for the angles, and behind them, unless the requantiser has room for a whole row group, the planes of the
    next group. Else only what is left of the wait when the next group's results come is lost.
    """
    assert walk.linear is not None
    cmvm, requant = walk.blocks[f"cmvm_{walk.linear.name}"], walk.shared("requant")
    residual, rope = walk.blocks["residual"], walk.blocks["rope"]
    planes = cmvm.act_bits * cmvm.pace
    arrived = walk.linear_began + planes - cmvm.pace + cmvm.latency + requant.latency
    late = max(0, residual.tag_latency + rope.angle_latency - arrived)
    wait = late if cmvm.group_beats > requant.latency else max(0, late - (cmvm.row_groups - 1) * planes)
    return [Step(node.name, wait + rope.latency, f"{node.name}_y")]
