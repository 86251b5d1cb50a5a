"""The shape of a new node: queries, keys and values are clipped, as DBRX and OLMo do (`clip_qkv` in their configs)."""

from collections.abc import Iterable
from dataclasses import dataclass

from hc1gen.network import Linear, SameOrder


@dataclass(frozen=True)
class Clip(SameOrder):
    """Every element is held within plus and minus its own limit.

    order, lanes: of the vector; limits: of every element, in units of its last bit; bits: width of an element.
    """

    limits: tuple[int, ...]
    bits: int

    @classmethod
    def behind(cls, linear: Linear, limit: float) -> "Clip":
        """The node that clips what a linear node gives to plus and minus `limit`."""
        limits = []
        for each in linear.projections:
            fracs = each.out_frac if isinstance(each.out_frac, tuple) else (each.out_frac,) * each.rows
            largest = (1 << each.out_bits - 1) - 1
            limits += [min(int(limit * 2.0**frac), largest) for frac in fracs]
        return cls("clip", linear.rows, linear.lanes, tuple(limits), max(linear.lane_bits))

    def problems(self) -> Iterable[str]:
        """There is a limit for every element, and it fits the width."""
        if len(self.limits) != sum(index is not None for index in self.order):
            yield f"limits: got {len(self.limits)}, expected one for each element"
        if not all(0 <= limit < 1 << self.bits - 1 for limit in self.limits):
            yield f"limits: got {min(self.limits)}..{max(self.limits)}, expected 0..{(1 << self.bits - 1) - 1}"
