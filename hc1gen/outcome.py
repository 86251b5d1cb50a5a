"""Where a generated token comes from: what chip, golden model and simulator say alike."""

from enum import IntEnum


class Outcome(IntEnum):
    """SAMPLED: from the target alone; ACCEPTED: the draft proposed it; REJECTED: it replaces the draft's proposal."""

    SAMPLED = 0
    ACCEPTED = 1
    REJECTED = 2
