"""A target and a draft without networks: what each says is a function of the settings and of the text it has heard."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np


@dataclass(frozen=True)
class Pretended:
    """Two models of `vocab` tokens; `eos` one time in eight; the draft says what the target does with `agreement`."""

    vocab: int
    eos: tuple[int, ...]
    agreement: float

    def target(self, key: object, heard: Sequence[int]) -> int:
        """What the target says after all it has heard."""
        rng = random.Random(f"target {key} {list(heard)}")
        return rng.choice(self.eos) if self.eos and rng.random() < 0.125 else rng.randrange(self.vocab)

    def draft(self, key: object, heard: Sequence[int]) -> int:
        """What the draft says after all it has heard."""
        rng, right = random.Random(f"draft {key} {list(heard)}"), self.target(key, heard)
        return right if rng.random() < self.agreement else (right + rng.randrange(1, self.vocab)) % self.vocab


class PretendedModel:
    """A golden model as `GoldenChip` needs it, greedy, that says what `says(heard)` says."""

    def __init__(self, context: int, models: Pretended, says):
        self.context, self.says, self.vocab = context, says, models.vocab
        self.model = SimpleNamespace(model=SimpleNamespace(eos=models.eos))

    def session(self) -> "PretendedSession":
        return PretendedSession(self)


class PretendedSession:
    """What a `PretendedModel` has heard."""

    def __init__(self, golden: PretendedModel):
        self.golden, self.heard = golden, []

    @property
    def length(self) -> int:
        return len(self.heard)

    def forward(self, tokens: np.ndarray) -> np.ndarray:
        """Logits [T, V], of which only the last row is anything."""
        self.heard += [int(token) for token in tokens]
        logits = np.zeros((len(tokens), self.golden.vocab))
        logits[-1, self.golden.says(self.heard)] = 1
        return logits
