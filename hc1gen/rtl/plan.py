"""The chip plan: how many lanes, and the order in which rows and columns of every matrix pass through them.

Orders are lists of indices, None where a lane is padding; a tile can put its rows and columns in any order at no
cost, so every padding and permutation of the chip is decided here and costs wires only.
"""

from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError, problem
from ..quant.numerics import Numerics

Order = list[int | None]


def beats_of(order: Order, lanes: int) -> Order:
    """`order` padded with None to whole beats of `lanes`."""
    return order + [None] * (-len(order) % lanes)


@dataclass(frozen=True)
class Plan:
    """What the user chooses of the chip's shape.

    lanes: elements of a residual beat, 1..hidden; kv_heads_per_clock: KV heads that attention handles at once; prefix:
    what the names of the model's modules begin with, where a chip has two models.
    """

    n: Numerics
    lanes: int
    kv_heads_per_clock: int
    prefix: str = ""

    def verify(self) -> None:
        """Raise `InputError` naming every choice outside its range."""
        model, problems = self.n.model, []
        limits = [
            ("lanes", self.lanes, model.hidden),
            ("kv heads per clock", self.kv_heads_per_clock, model.kv_heads),
            ("context", self.n.context, model.max_positions),
        ]
        for name, value, high in limits:
            if not 1 <= value <= high:
                problems.append(problem(name, value, f"1..{high}", "choose a value in that range"))
        if problems:
            raise InputError(f"plan of the {self.name}", problems)

    @property
    def name(self) -> str:
        """Whose plan it is: `target`, or the prefix without its underscore."""
        return self.prefix.removesuffix("_") or "target"

    @property
    def pair_lanes(self) -> int:
        """Lanes where elements come in pairs (rotary pairs, gate and up): `lanes` rounded up to even."""
        return self.lanes + self.lanes % 2

    @property
    def position_bits(self) -> int:
        return max(1, (self.n.context - 1).bit_length())

    @property
    def token_bits(self) -> int:
        return max(1, (self.n.model.vocab - 1).bit_length())

    @property
    def group(self) -> int:
        """Query heads that share a KV head."""
        return self.n.model.heads // self.n.model.kv_heads

    @property
    def kv_words(self) -> int:
        """Words of the KV cache that hold the keys of one position."""
        return -(-self.n.model.kv_heads // self.kv_heads_per_clock)

    @cached_property
    def residual(self) -> Order:
        return beats_of(list(range(self.n.model.hidden)), self.lanes)

    @cached_property
    def vocabulary(self) -> Order:
        return beats_of(list(range(self.n.model.vocab)), self.lanes)

    @cached_property
    def gate_up(self) -> Order:
        """Rows of gate and up (numbered behind gate's), alternating."""
        size = self.n.model.intermediate
        return beats_of([row for i in range(size) for row in (i, size + i)], self.pair_lanes)

    @cached_property
    def hidden(self) -> Order:
        """Columns of the down projection as SwiGLU puts them out."""
        return beats_of(list(range(self.n.model.intermediate)), self.pair_lanes // 2)

    @cached_property
    def keys(self) -> Order:
        """Rows of K: words, each padded to whole beats; rotary pairs (i, i + head_dim / 2) side by side."""
        return self._by_word(1, self._rotary_order, self.pair_lanes)

    @cached_property
    def values(self) -> Order:
        """Rows of V, ordered like `keys` but in natural order within a head."""
        return self._by_word(1, list(range(self.n.model.head_dim)), self.pair_lanes)

    @cached_property
    def queries(self) -> Order:
        """Rows of Q: for each word of keys all query heads that read it, padded to whole beats."""
        return self._by_word(self.group, self._rotary_order, self.pair_lanes)

    @cached_property
    def contexts(self) -> Order:
        """Columns of the output projection as attention puts them out."""
        return self._by_word(self.group, list(range(self.n.model.head_dim)), self.lanes)

    @property
    def _rotary_order(self) -> list[int]:
        half = self.n.model.head_dim // 2
        return [element for i in range(half) for element in (i, i + half)]

    def _kv_heads(self, word: int) -> Order:
        first = word * self.kv_heads_per_clock
        heads = range(first, first + self.kv_heads_per_clock)
        return [h if h < self.n.model.kv_heads else None for h in heads]

    def _head_rows(self, head: int | None, within: list[int]) -> Order:
        if head is None:
            return [None] * self.n.model.head_dim
        return [head * self.n.model.head_dim + i for i in within]

    def _by_word(self, group: int, within: list[int], lanes: int) -> Order:
        """Word by word, `group` heads with the rows `within` for each KV head; a word is whole beats of `lanes`."""
        order: Order = []
        for word in range(self.kv_words):
            heads = [None if kv is None else kv * group + i for kv in self._kv_heads(word) for i in range(group)]
            order += beats_of([row for head in heads for row in self._head_rows(head, within)], lanes)
        return order
