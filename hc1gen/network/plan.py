"""The choices of a chip's user, and the widths and orders that all parts of one model's hardware share."""

from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError, problem
from ..numeric.numerics import Numerics
from .node import Order, beats_of


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
        """Unsigned bits of a position in the context."""
        return max(1, (self.n.context - 1).bit_length())

    @property
    def token_bits(self) -> int:
        """Unsigned bits of a token id."""
        return max(1, (self.n.model.vocab - 1).bit_length())

    @cached_property
    def residual(self) -> Order:
        """Order of the residual stream."""
        return beats_of(range(self.n.model.hidden), self.lanes)

    @cached_property
    def vocabulary(self) -> Order:
        """Order of the logits."""
        return beats_of(range(self.n.model.vocab), self.lanes)
