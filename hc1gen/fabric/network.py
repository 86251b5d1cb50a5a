"""Networks of adders over one-bit nets: the form of the fabric that does not depend on how it is written out."""

from dataclasses import dataclass, field

import numpy as np

Literal = int
"""A net or its complement: `2 * net` is the net, and `2 * net + 1` is its complement."""


@dataclass(frozen=True)
class Adder:
    """An adder of 2 or 3 literals, `s + 2 * co = sum(inputs)`. An output that is not needed is None.

    With 3 inputs and no `s`, it is a majority gate.
    """

    inputs: tuple[Literal, ...]
    s: int | None
    co: int | None


@dataclass
class Network:
    """A network of adders. Nets 0..inputs-1 are its inputs, and every adder makes new nets from earlier ones.

    arrival: for each net, the largest number of adders between an input and it. plain, alternating: for each net,
    whether the mapped circuit has the net (0), its complement (1) or both (None). `plain` is for cell libraries whose
    adders keep the polarity of their inputs, `alternating` for libraries whose adders have inverted outputs. A full
    adder is self-dual: on three complements it makes the complements of both outputs.
    """

    inputs: int
    adders: list[Adder] = field(default_factory=list)
    arrival: list[int] = field(default_factory=list)
    plain: list[int | None] = field(default_factory=list)
    alternating: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        for _ in range(self.inputs):
            self._net(0, None, None)

    def add(self, literals: tuple[Literal, ...], *, s: bool = True, co: bool = True) -> tuple[int, int]:
        """Appends an adder. Returns its nets (s, co); a net that is not asked for is -1."""
        arrival = 1 + max(self.arrival[n >> 1] for n in literals)
        plain = self._polarity(literals, self.plain)
        alternating = 1 - self._polarity(literals, self.alternating)
        made = [self._net(arrival, plain, alternating) if wanted else -1 for wanted in (s, co)]
        self.adders.append(Adder(literals, made[0] if s else None, made[1] if co else None))
        return made[0], made[1]

    def polarities(self, literal: Literal) -> tuple[int | None, int | None]:
        """Returns the polarity of a literal (plain, alternating): 0 the literal is available, 1 its complement, None
        both."""
        plain, alternating = self.plain[literal >> 1], self.alternating[literal >> 1]
        invert = literal & 1
        return None if plain is None else plain ^ invert, None if alternating is None else alternating ^ invert

    def mismatch(self, literals: tuple[Literal, ...]) -> int:
        """Returns the number of inverters that an adder of these literals needs, in both kinds of library together."""
        cost = 0
        for held in (self.plain, self.alternating):
            kinds = [(literal & 1) ^ p for literal in literals if (p := held[literal >> 1]) is not None]
            cost += min(sum(kinds), len(kinds) - sum(kinds))
        return cost

    def evaluate(self, inputs: np.ndarray) -> np.ndarray:
        """Returns the bits of every net, int8 [nets, ...], from those of the inputs, [inputs, ...]."""
        nets = np.zeros((len(self.arrival), *inputs.shape[1:]), np.int8)
        nets[: self.inputs] = inputs
        for adder in self.adders:
            total = np.sum([nets[i >> 1] ^ (i & 1) for i in adder.inputs], axis=0, dtype=np.int8)
            if adder.s is not None:
                nets[adder.s] = total & 1
            if adder.co is not None:
                nets[adder.co] = total >> 1
        return nets

    def _polarity(self, literals: tuple[Literal, ...], held: list[int | None]) -> int:
        """Returns the polarity in which an adder takes its inputs: that of most of them, 0 in a tie.

        Each other input gets an inverter, so it is available in both polarities from now on.
        """
        kinds = [(literal & 1) ^ p for literal in literals if (p := held[literal >> 1]) is not None]
        chosen = int(2 * sum(kinds) > len(kinds))
        for literal in literals:
            if (p := held[literal >> 1]) is not None and (literal & 1) ^ p != chosen:
                held[literal >> 1] = None
        return chosen

    def _net(self, arrival: int, plain: int | None, alternating: int | None) -> int:
        self.arrival.append(arrival)
        self.plain.append(plain)
        self.alternating.append(alternating)
        return len(self.arrival) - 1
