"""How the two ends of a stream pause; every test is crossed with all patterns."""

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Pauses:
    """Before each word, with this chance, a pause of 1 to `longest` clocks."""

    chance: float = 0.0
    longest: int = 1

    def clocks(self, seed: str) -> Iterator[int]:
        """The length of the pause before each word, without end; the same for the same seed."""
        rng = random.Random(seed)
        while True:
            yield rng.randint(1, self.longest) if rng.random() < self.chance else 0


@dataclass(frozen=True)
class StallPattern:
    """Pauses of the drivers (`valid` low) and of the monitors (`ready` low)."""

    idle: Pauses = Pauses()
    stall: Pauses = Pauses()


STALL_PATTERNS = {
    "none": StallPattern(),
    "idle": StallPattern(idle=Pauses(0.5, 3)),
    "stall": StallPattern(stall=Pauses(0.5, 3)),
    "both": StallPattern(idle=Pauses(0.4, 4), stall=Pauses(0.4, 4)),
    "long": StallPattern(idle=Pauses(0.1, 40), stall=Pauses(0.15, 60)),
}
"""By name: all that a stream may meet."""
