"""Rotary position embedding (RoPE) of keys and queries. Values are only rounded to the width of the KV cache."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .timing import Step, Walk, clocks
from .types import Lookup, Pipeline, counter, lanes, named, round_shift, saturate
from .wiring import Wiring, wire


class Rope(wiring.Component):
    """Rotates pairs of keys and queries by the angles of the position (RoPE); rounds and saturates values.

    A new position starts the computation of its angles, one cosine or sine per clock. The norm in front works in the
    meantime, so that `x` seldom has to wait for them.

    Parameters
        node: segments of the vector, lanes and widths. The two elements of a rotary pair are in lanes 2j and 2j + 1.
    Ports
        position (in, `node.position_bits` bits): position of the token. It must stand from the token's first beat of x
            until its last beat of x has been taken.
        x (in, stream of `node.lanes` elements of `qkv_bits` bits): keys, values and queries of a token, segment by
            segment. No beat is taken while the angles are not known.
        y (out, stream of `node.lanes` elements of the widest segment's `out_bits`): the same beats. Each element is
            saturated to the `out_bits` of its segment and sign-extended.
        Reset empties the pipeline; the angles are then computed again.
    Timing
        latency, angle_latency, pace.
    Golden counterpart
        `hc1gen.golden.rope.rotate`; for values, the rounding in `hc1gen.golden.model.Session._attention`.
    Source
        Su et al. 2021, RoFormer, with pairs (i, i + head_dim / 2) as in Hugging Face's Llama.
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
        """Number of the rotary pair, within its head, that a pair of lanes holds in each beat. `rows`: the row in the
        even lane in each beat, None for values and padding. A constant if the number is the same in all beats.
        """
        which = [0 if row is None else row % self.node.head_dim for row in rows]
        used = {f for f, row in zip(which, rows, strict=True) if row is not None}
        if len(used) == 1:
            return Const(used.pop())
        return Array(Const(f, range(self.node.head_dim)) for f in which)[beat]

    def _pair(
        self, m: Module, pipe: Pipeline, pair: int, angle: tuple[Value, Value], is_value: Signal, was_query: Signal
    ) -> None:
        """One pair of lanes: products and their sum in the first clock, rounding and saturation in the second."""
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
    """Computes the cosines and sines of a position and keeps them until the position changes.

    Parameters
        node: number of rotary pairs, widths and tables.
    Ports
        position (in, `node.position_bits` bits): a change starts the computation again.
        known (out, 1 bit): the results belong to the present `position`.
        The results are the signals in the lists `cos` and `sin`, one for each rotary pair of a head, signed, with
        `angle_bits` fraction bits. Reset clears `known`.
    Timing
        latency.
    Golden counterpart
        `hc1gen.golden.rope.angles`.
    """

    def __init__(self, node: network.Rope):
        self.n = node.n
        super().__init__({"position": In(node.position_bits), "known": Out(1)})
        shape = signed(node.n.config.angle_bits + 1)
        half = node.head_dim // 2
        self._shifted = [Signal(shape, name=f"angle{i}", reset_less=True) for i in range(2 * half)]
        self.cos, self.sin = self._shifted[::2], self._shifted[1::2]

    @property
    def latency(self) -> int:
        """Clocks from the first clock of a new position to `known`: one for each cosine and each sine, and three more:
        to store the position, to compute the first phase, and to store the last sine.
        """
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
        with m.If(running):  # even indices: the cosine, which is the sine of a quarter turn more
            step = Array(Const(s, c.phase_bits) for s in steps)[index >> 1]
            quarter = Mux(index[0], 0, 1 << (c.phase_bits - 2))
            m.d.sync += phase.eq(position * step + quarter)
        value = self._sine(m, phase[c.phase_bits - turn_bits :])
        with m.If(stage[0]):
            for held, following in zip(self._shifted, [*self._shifted[1:], value], strict=True):
                m.d.sync += held.eq(following)
        return m

    def _sine(self, m: Module, turn: Value) -> Value:
        """Sine of a fraction of a turn.

        The table holds the first quarter. In the second and fourth quarter the fraction is complemented; in the third
        and fourth quarter the result is negated.
        """
        m.submodules.sine = table = Lookup(self.n.tables.sine)
        bits = self.n.config.quarter_bits
        within, quarter = turn[:bits], turn[bits:]
        m.d.comb += table.x.eq(within ^ quarter[0].replicate(bits))
        return Mux(quarter[1], -table.y, table.y)


@wire.register
def _(node: network.Rope, stage: Wiring) -> None:
    """One block, connected to the position of the token in the stage."""
    rope = stage.place(node.name, "rope", node, lambda: Rope(node))
    rope.nets["position"] = stage.position
    stage.take(rope)


@clocks.register
def _(node: network.Rope, walk: Walk) -> list[Step]:
    """The latency of the block, and the clocks that the last results lose if the angles of a new position are late.

    Keys then wait for the angles. If the requantiser cannot hold a whole row group, the planes of the next row group
    wait as well, and all clocks of the wait are lost. Otherwise those planes pass during the wait, and only the clocks
    are lost that are left when the results of the next row group come.
    """
    assert walk.linear is not None
    cmvm, requant = walk.blocks[f"cmvm_{walk.linear.name}"], walk.shared("requant")
    residual, rope = walk.blocks["residual"], walk.blocks["rope"]
    planes = cmvm.act_bits * cmvm.pace
    arrived = walk.linear_began + planes - cmvm.pace + cmvm.latency + requant.latency
    late = max(0, residual.tag_latency + rope.angle_latency - arrived)
    wait = late if cmvm.group_beats > requant.latency else max(0, late - (cmvm.row_groups - 1) * planes)
    return [Step(node.name, wait + rope.latency, f"{node.name}_y")]
