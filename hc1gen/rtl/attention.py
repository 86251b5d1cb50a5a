"""Attention of one layer: KV cache, scores, softmax and the weighted sum of values, for one token at a time."""

from amaranth.hdl import Array, Cat, ClockSignal, Instance, Module, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .attention_control import AttentionControl
from .attention_head import Head
from .attention_normaliser import Normaliser
from .memory import Memory
from .timing import Step, Walk, clocks
from .types import lanes
from .wiring import Wiring, wire

KV_CACHE = "kv_cache"
"""Name of the memory with the keys and values of a layer, without the prefix of the model."""
SCORE_BUFFER = "score_buffer"
"""Name of the memory with the scores of a token, without the prefix of the model."""


def memories(node: network.Attention) -> list[Memory]:
    """The memories that `Attention` instantiates: the KV cache and the score buffer."""
    word = node.kv_heads_per_clock * node.head_dim * node.n.config.kv_bits
    scores = node.kv_heads_per_clock * node.group * node.n.score_bits
    words = node.n.context * node.kv_words * 2
    return [
        Memory(node.prefix + KV_CACHE, words, word, "Keys and values of a layer"),
        Memory(node.prefix + SCORE_BUFFER, node.n.context, scores, "Scores of a token, one word per position"),
    ]


class Attention(wiring.Component):
    """Attention of one layer: KV cache, scores, softmax and weighted sum of values, one token at a time.

    The keys and values of the token are written to the KV cache at `position`. Then two passes go over the positions
    0..position for each word of the cache: the first computes the scores and their maximum, the second weights the
    values with the probabilities. At the end each sum is divided by the sum of its probabilities. Positions above
    `position` are not read. So a later token may have an earlier position, and nothing has to be erased before.

    Parameters
        node: heads, orders, lanes and widths.
    Ports
        position (in, `node.position_bits` bits): position of the token. It must stand from the token's first beat of x
            until its last beat of y has left.
        x (in, stream of `node.pair_lanes` elements of `max(query_bits, kv_bits)` bits): keys, values and queries after
            RoPE, in the orders `node.keys`, `node.values` and `node.queries`, each in the low bits of its lane.
        y (out, stream of `node.lanes` elements of `attention_bits` bits): the attention output in the order
            `node.outputs`, padding lanes 0; in two passes if `node.kv_words` is 1, else in one.
        Reset discards the token inside. It does not change the memories.
    Timing
        latency, duration, pace, recovery.
    Golden counterpart
        `hc1gen.golden.attention.attend`.
    """

    pace = AttentionControl.pace
    """Clocks from one beat of x to the next."""
    recovery = AttentionControl.recovery
    """Clocks from a token's last beat of y until a beat of the next token is taken."""

    def __init__(self, node: network.Attention):
        self.node = node
        self.control, self.normaliser = AttentionControl(node), Normaliser(node)
        c = node.n.config
        super().__init__(
            {
                "position": In(node.position_bits),
                "x": In(stream.Signature(lanes(node.pair_lanes, max(c.query_bits, c.kv_bits)))),
                "y": Out(stream.Signature(lanes(node.lanes, node.n.attention_bits))),
            }
        )

    def latency(self, position: int) -> int:
        """Clocks from the token's last beat of x to its first beat of y."""
        return self.control.latency(position) + self.normaliser.latency(0)

    def duration(self, position: int) -> int:
        """Clocks from the token's last beat of x to its last beat of y; if y is in two passes, of the first pass."""
        last = self.normaliser.beats - 1
        others = (self.node.kv_words - 1) * (self.control.latency(position) + self.normaliser.taken(last))
        return others + self.control.latency(position) + self.normaliser.latency(last)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.control, m.submodules.normaliser = control, normaliser = self.control, self.normaliser
        m.d.comb += [
            control.position.eq(self.position),
            control.x_valid.eq(self.x.valid),
            self.x.ready.eq(control.x_ready),
            control.done.eq(normaliser.done),
            control.empty.eq(normaliser.empty),
            normaliser.active.eq(control.active),
            normaliser.last_word.eq(control.last_word),
        ]
        wiring.connect(m, wiring.flipped(self.y), normaliser.y)
        word = self._kv_cache(m, control)
        queries = self._queries(m, control)
        self._heads(m, control, normaliser, queries, word)
        return m

    def _kv_cache(self, m: Module, control: AttentionControl) -> Signal:
        """The KV cache; returns the word that was read last.

        A word is written together with its last beat. The beats before it wait in a register.
        """
        bits = self.node.n.config.kv_bits
        width = self.node.kv_heads_per_clock * self.node.head_dim * bits
        beat = Cat(self.x.payload[lane][:bits] for lane in range(self.node.pair_lanes))
        whole_word: Value = beat
        if control.kv_beats > 1:
            waiting = Signal((control.kv_beats - 1) * len(beat), name="kv_waiting", reset_less=True)
            whole_word = Cat(waiting, beat)
            with m.If(control.kv_shift):
                m.d.sync += waiting.eq(whole_word[len(beat) :])
        data = Signal(width, name="kv_word")
        m.submodules.kv_cache = Instance(
            self.node.prefix + KV_CACHE,
            i_clk=ClockSignal(),
            i_write_en=control.kv_write,
            i_write_addr=control.kv_write_address,
            i_write_data=whole_word[:width],
            i_read_en=control.kv_read,
            i_read_addr=control.kv_read_address,
            o_read_data=data,
        )
        return data

    def _queries(self, m: Module, control: AttentionControl) -> list[Value]:
        """Registers for all queries of the token; returns those of the word at work, query head by query head, element
        by element.
        """
        bits, per_beat = self.node.n.config.query_bits, self.node.pair_lanes
        count = self.node.kv_heads_per_clock * self.node.group * self.node.head_dim
        words = []
        for word in range(self.node.kv_words):
            kept = [Signal(signed(bits), name=f"query{word}_{i}", reset_less=True) for i in range(count)]
            for beat in range(control.query_beats):
                with m.If(control.query_write & (control.word == word) & (control.beat == beat)):
                    for lane, query in enumerate(kept[beat * per_beat : (beat + 1) * per_beat]):
                        m.d.sync += query.eq(self.x.payload[lane])
            words.append(kept)
        if len(words) == 1:
            return list(words[0])
        return [Array(choices)[control.word] for choices in zip(*words, strict=True)]

    def _heads(
        self, m: Module, control: AttentionControl, normaliser: Normaliser, queries: list[Value], word: Signal
    ) -> None:
        """The query heads that work on a word, and the score buffer between their two passes."""
        n, group = self.node.n, self.node.group
        d = self.node.head_dim
        heads = [Head(n) for _ in range(self.node.kv_heads_per_clock * group)]
        scores = Signal(len(heads) * n.score_bits)
        for i, head in enumerate(heads):
            m.submodules[f"head{i}"] = head
            m.d.comb += [
                head.steps.eq(control.steps),
                head.query.eq(Cat(queries[i * d : (i + 1) * d])),
                head.word.eq(word.word_select(i // group, d * n.config.kv_bits)),
                head.stored.eq(scores.word_select(i, n.score_bits).as_signed()),
                normaliser.totals[i].eq(head.total),
                Cat(normaliser.sums[i * d + element] for element in range(d)).eq(head.sums),
            ]
        m.submodules.score_buffer = Instance(
            self.node.prefix + SCORE_BUFFER,
            i_clk=ClockSignal(),
            i_write_en=control.steps.score,
            i_write_addr=control.score_address,
            i_write_data=Cat(head.score for head in heads),
            i_read_en=control.score_read,
            i_read_addr=control.score_address,
            o_read_data=scores,
        )


@wire.register
def _(node: network.Attention, stage: Wiring) -> None:
    """One block, connected to the position of the token in the stage."""
    attention = stage.place(node.name, "attention", node, lambda: Attention(node))
    attention.nets["position"] = stage.position
    stage.take(attention)


@clocks.register
def _(node: network.Attention, walk: Walk) -> list[Step]:
    """From the last query to the last beat of the attention output's first pass; it grows with the position."""
    share = 1 / node.output.passes
    return [Step(node.name, walk.blocks["attention"].duration(walk.position), f"{node.name}_y", share)]
