"""Networks of adders over one-bit nets: what the fabric is made of, whatever it is written or drawn as."""

from dataclasses import dataclass, field

import numpy as np

Literal = int
"""`2 * net + 1` is the complement of a net, `2 * net` the net itself."""


@dataclass(frozen=True)
class Adder:
    """`s + 2 * co = sum(inputs)` for 2 or 3 literals; `s` is None where only the majority of the three is needed."""

    inputs: tuple[Literal, ...]
    s: int | None
    co: int | None


@dataclass
class Network:
    """Nets 0..inputs-1 come from outside; every adder makes new ones out of nets that are there already.

    `arrival` of a net: adders between an input and it. `plain` and `alternating`: whether a cell library holds the net
    or its complement, when its adders keep their inputs' polarity and when they turn it over (their outputs are
    inverted); None where both are at hand. A full adder is self-dual, so it works on three complements as well.
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
        """Put down an adder; its nets (s, co), -1 for one that is not wanted."""
        arrival = 1 + max(self.arrival[n >> 1] for n in literals)
        plain = self._polarity(literals, self.plain)
        alternating = 1 - self._polarity(literals, self.alternating)
        made = [self._net(arrival, plain, alternating) if wanted else -1 for wanted in (s, co)]
        self.adders.append(Adder(literals, made[0] if s else None, made[1] if co else None))
        return made[0], made[1]

    def polarities(self, literal: Literal) -> tuple[int | None, int | None]:
        """Whether the complement of a literal is at hand rather than itself, plain and alternating; None: both are."""
        plain, alternating = self.plain[literal >> 1], self.alternating[literal >> 1]
        invert = literal & 1
        return None if plain is None else plain ^ invert, None if alternating is None else alternating ^ invert

    def mismatch(self, literals: tuple[Literal, ...]) -> int:
        """Inverters that an adder of these literals costs, both kinds of library together."""
        cost = 0
        for held in (self.plain, self.alternating):
            kinds = [(literal & 1) ^ p for literal in literals if (p := held[literal >> 1]) is not None]
            cost += min(sum(kinds), len(kinds) - sum(kinds))
        return cost

    def evaluate(self, inputs: np.ndarray) -> np.ndarray:
        """Bits [inputs, ...] → bits of every net [nets, ...]."""
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
        """The polarity that most inputs have at hand, 0 where all have both; the others get an inverter: both."""
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
