"""What a prompt comes with: the same to chip, golden model and simulator."""

from dataclasses import dataclass

LIMIT_BITS = 16
SEED_BITS = 64


@dataclass(frozen=True)
class Settings:
    """How to answer a prompt.

    limit: most tokens to generate, 0 for any number; temperature: with TEMPERATURE_FRAC fraction bits, 0 for greedy;
    seed: SEED_BITS bits; speculate: whether the draft is asked, on a chip that has one.
    """

    limit: int = 0
    temperature: int = 0
    seed: int = 0
    speculate: bool = False


GREEDY = Settings()
"""The likeliest tokens, as many as there is room for, of the target alone."""
