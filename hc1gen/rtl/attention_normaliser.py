"""The end of attention: each sum of values divided by its Z, the sum of the probabilities, as beats."""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .types import Lookup, Pipeline, bit_length, counter, lanes, named, round_shift


def heads_needed(node: network.Attention, beat: int) -> int:
    """How many heads of a word must have their reciprocal before beat `beat` of the word can be computed."""
    elements = node.kv_heads_per_clock * node.group * node.head_dim
    return (min((beat + 1) * node.lanes, elements) - 1) // node.head_dim + 1


def word_beats(node: network.Attention) -> int:
    """How many beats of y hold the attention output of one word."""
    return -(-node.kv_heads_per_clock * node.group * node.head_dim // node.lanes)


class Normaliser(wiring.Component):
    """Divides the sums of the heads of one KV word by their totals, beat by beat, through reciprocals.

    One reciprocal unit serves one head per clock, and one multiplier per lane serves one beat per clock. A beat waits
    until the reciprocals of its heads are known.

    Parameters
        node: heads, orders, lanes and widths.
    Ports (1 bit each, unless a width is given)
        active (in): `sums` and `totals` are complete. It and they must stand until `done`.
        last_word (in): the word is the last one of the token. Some of its heads may be padding; their lanes give 0.
        totals (in, one field of `exp_sum_bits` bits for each head, unsigned): Z of each head, above 0.
        sums (in, `head_dim` fields of `value_sum_bits` bits for each head): the weighted sums of values.
        done (out): the last beat of the word enters the pipeline in this clock. From the next clock on the sums may
            change.
        empty (out): no beat is inside, or the last one leaves in this clock.
        y (out, stream of `node.lanes` elements of `attention_bits` bits): the attention output of the word in the order
            `node.outputs`, padding lanes 0; in two passes if `node.kv_words` is 1, else in one.
        Reset discards the word inside.
    Timing
        latency, head_latency, head_pace, taken, beat_latency, pace.
    Golden counterpart
        `hc1gen.golden.attention.normalise`.
    """

    head_latency = 2
    """Clocks from the first clock of `active` until the reciprocal of the first head is known."""
    head_pace = 1
    """Clocks from the reciprocal of one head to that of the next."""
    beat_latency = 2
    """Clocks from the clock in which a beat enters the pipeline to the beat of y."""
    pace = 1
    """Clocks from one beat to the next, if the beat does not wait for its heads."""

    def __init__(self, node: network.Attention):
        self.node, self.n = node, node.n
        self.heads = node.kv_heads_per_clock * node.group
        self.elements = self.heads * node.head_dim
        self.beats = word_beats(node)
        self._beat = Signal(range(max(self.beats, 2)), name="beat")
        self._take = Signal(name="take")
        self._multiply = Signal(name="multiply")
        super().__init__(
            {
                "active": In(1),
                "last_word": In(1),
                "totals": In(data.ArrayLayout(unsigned(node.n.exp_sum_bits), self.heads)),
                "sums": In(lanes(self.elements, node.n.value_sum_bits)),
                "done": Out(1),
                "empty": Out(1),
                "y": Out(stream.Signature(lanes(node.lanes, node.n.attention_bits))),
            }
        )

    def taken(self, beat: int) -> int:
        """Clocks from the first clock of `active` to the clock in which this beat of the word's first pass enters the
        pipeline.
        """
        heads = heads_needed(self.node, beat)
        known = self.head_latency + (heads - 1) * self.head_pace
        return known if beat == 0 else max(known, self.taken(beat - 1) + self.pace)

    def latency(self, beat: int) -> int:
        """Clocks from the first clock of `active` to this beat of y, in the first pass of the word."""
        return self.taken(beat) + self.beat_latency

    @property
    def excess(self) -> range:
        """How many places the leading one of Z can be above its lowest possible place.

        The lowest place is `prob_bits - 1`, because Z contains the largest probability, whose bits are all 1.
        """
        return range(max(self.n.exp_sum_bits - self.n.config.prob_bits + 1, 2))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        known, reciprocals, excesses = self._reciprocals(m)
        source = stream.Signature(0).create()
        pipeline = Pipeline(m, source, self.y, depth=self.beat_latency)
        needed = Array(heads_needed(self.node, b) for b in range(self.beats))
        last = self._beat == self.beats - 1
        _, last_pass = counter(m, 2 if self.node.kv_words == 1 else 1, self._take & last, "pass_index")
        m.d.comb += [
            source.valid.eq(self.active & (known >= needed[self._beat])),
            self._take.eq(source.valid & source.ready),
            self._multiply.eq(pipeline.valid[0] & pipeline.go),
            self.done.eq(self._take & last & last_pass),
            self.empty.eq(~pipeline.valid[0] & (~self.y.valid | self.y.ready)),
        ]
        with m.If(self._take):
            m.d.sync += self._beat.eq(Mux(last, 0, self._beat + 1))
        shared: dict[tuple[int, ...], tuple[Value, Signal]] = {}
        for lane in range(min(self.node.lanes, self.elements)):
            elements = range(lane, self.elements, self.node.lanes)
            heads = tuple(self._head(e) for e in elements)
            if heads not in shared:
                shared[heads] = self._factor(m, heads, reciprocals, excesses)
            self._lane(m, lane, elements, *shared[heads])
        return m

    def _head(self, element: int) -> int:
        """Number of the head that an element of the word belongs to."""
        return element // self.node.head_dim

    def _reciprocals(self, m: Module) -> tuple[Signal, list[Signal], list[Signal]]:
        """The reciprocal unit: find the leading one of a head's Z; register; look 1/Z up; register.

        Returns how many heads are known, and for each head the mantissa of 1/Z and the excess of Z (see `excess`).
        """
        m.submodules.recip = recip = Lookup(self.n.tables.recip)
        head, known = Signal(range(self.heads + 1)), Signal(range(self.heads + 1))
        cut = Signal()
        total = Signal(unsigned(self.n.exp_sum_bits))
        excess, cut_excess = Signal(self.excess), Signal(self.excess, reset_less=True)
        mantissa = Signal(self.n.config.mantissa_bits, reset_less=True)
        low = self.n.config.prob_bits - 1
        m.d.comb += [
            total.eq(Array(self.totals[h] for h in range(self.heads))[head]),
            excess.eq(bit_length(total[low + 1 :])),
            recip.x.eq(mantissa),
        ]
        m.d.sync += cut.eq(self.active & (head != self.heads))
        with m.If(self.active & (head != self.heads)):
            m.d.sync += [head.eq(head + 1), cut_excess.eq(excess)]
            m.d.sync += mantissa.eq(total << self.n.config.mantissa_bits >> low >> excess)
        registers = [
            (Signal(self.n.config.recip_bits, name=f"reciprocal{h}", reset_less=True),
             Signal(self.excess, name=f"excess{h}", reset_less=True))
            for h in range(self.heads)
        ]  # fmt: skip
        with m.If(cut):
            m.d.sync += known.eq(known + 1)
        for h, (reciprocal, kept) in enumerate(registers):
            with m.If(cut & (known == h)):
                m.d.sync += [reciprocal.eq(recip.y), kept.eq(cut_excess)]
        with m.If(self.done):
            m.d.sync += [head.eq(0), known.eq(0)]
        return known, [r for r, _ in registers], [e for _, e in registers]

    def _factor(
        self, m: Module, heads: tuple[int, ...], reciprocals: list[Signal], excesses: list[Signal]
    ) -> tuple[Value, Signal]:
        """What all lanes share that have these heads, one in each beat: the shift for the alignment, combinational, and
        1/Z, one clock later.
        """
        factor = Signal(self.n.config.recip_bits, name=f"factor{'_'.join(map(str, heads))}", reset_less=True)
        with m.If(self._take):
            m.d.sync += factor.eq(_choose([reciprocals[h] for h in heads], self._beat))
        return named(m, _choose([excesses[h] for h in heads], self._beat), f"shift{'_'.join(map(str, heads))}"), factor

    def _lane(self, m: Module, lane: int, elements: range, shift: Value, factor: Signal) -> None:
        """One lane: choose the beat's sum, align it to the leading one of Z; register; multiply by 1/Z; register."""
        n, c = self.n, self.n.config
        choices = [self.sums[e] for e in elements] + [Const(0)] * (self.beats - len(elements))
        chosen = Signal(signed(n.value_sum_bits), name=f"sum{lane}")
        aligned = Signal(signed(c.kv_bits + n.attention_guard + 1), name=f"aligned{lane}", reset_less=True)
        y = Signal(signed(n.attention_bits), name=f"y{lane}", reset_less=True)
        m.d.comb += [
            chosen.eq(Mux(self._padding(elements), 0, _choose(choices, self._beat))),
            self.y.payload[lane].eq(y),
        ]
        with m.If(self._take):
            # round_shift by the place of the leading one; the shift by its lowest possible place is only wiring
            m.d.sync += aligned.eq(((chosen << n.attention_guard + 1 >> c.prob_bits - 1 >> shift) + 1) >> 1)
        with m.If(self._multiply):
            m.d.sync += y.eq(round_shift(aligned * factor, c.recip_bits + n.attention_guard - c.attention_frac))

    def _padding(self, elements: range) -> Value:
        """1 if the lane's element of this beat belongs to a padding head."""
        heads_left = self.node.kv_heads - (self.node.kv_words - 1) * self.node.kv_heads_per_clock
        tail = heads_left * self.node.group * self.node.head_dim
        padding: Value = Const(0)
        for b, element in enumerate(elements):
            if element >= tail:
                padding = padding | (self.last_word & (self._beat == b))
        return padding


def _choose(choices: list[Value], index: Signal) -> Value:
    """`choices[index]`, without a multiplexer if all choices are the same."""
    return choices[0] if all(c is choices[0] for c in choices) else Array(choices)[index]
