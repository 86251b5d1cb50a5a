"""Why a generated token is, or is not, the last one: what chip, golden model and simulator say alike."""

from enum import IntEnum


class Reason(IntEnum):
    """EOS: the model ended; LIMIT: as many as asked for; FULL: the context has no room for another."""

    MORE = 0
    EOS = 1
    LIMIT = 2
    FULL = 3
