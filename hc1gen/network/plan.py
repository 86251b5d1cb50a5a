"""The plan of a model's hardware: the choices of the user, and the widths and orders that follow from them."""

from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError, problem
from ..numeric.numerics import Numerics
from .node import Order, beats_of


@dataclass(frozen=True)
class Plan:
    """The user's choices for the shape of one model's hardware.

    Parameters
        n: widths and tables, and the context, which is the number of positions of the KV cache, 1..max_positions.
        lanes: elements of a beat of the residual stream, 1..hidden.
        kv_heads_per_clock: KV heads that attention handles in one clock, 1..kv_heads.
        prefix: beginning of the names of the model's modules; it tells the two models of a chip apart.
    """

    n: Numerics
    lanes: int
    kv_heads_per_clock: int
    prefix: str = ""

    def verify(self) -> None:
        """Raise `InputError` with every choice that is no `int`, or outside its range."""
        model, problems = self.n.model, []
        limits = [
            ("lanes", self.lanes, model.hidden),
            ("kv heads per clock", self.kv_heads_per_clock, model.kv_heads),
            ("context", self.n.context, model.max_positions),
        ]
        for name, value, high in limits:
            if type(value) is not int or not 1 <= value <= high:
                problems.append(problem(name, repr(value), f"1..{high}", "choose a value in that range"))
        if problems:
            raise InputError(f"plan of the {self.name}", problems)

    @property
    def name(self) -> str:
        """Name of the model: `target` if there is no prefix, else the prefix without its underscore."""
        return self.prefix.removesuffix("_") or "target"

    @property
    def pair_lanes(self) -> int:
        """Lanes of beats that hold pairs (rotary pairs, or gate and up): `lanes`, rounded up to an even number."""
        return self.lanes + self.lanes % 2

    @property
    def position_bits(self) -> int:
        """Unsigned width of a position."""
        return max(1, (self.n.context - 1).bit_length())

    @property
    def token_bits(self) -> int:
        """Unsigned width of a token id."""
        return max(1, (self.n.model.vocab - 1).bit_length())

    @cached_property
    def residual(self) -> Order:
        """Order of the residual stream."""
        return beats_of(range(self.n.model.hidden), self.lanes)

    @cached_property
    def vocabulary(self) -> Order:
        """Order of the logits."""
        return beats_of(range(self.n.model.vocab), self.lanes)
