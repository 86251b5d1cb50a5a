"""How a long step tells what it is doing: one kind of function for all steps."""

from typing import Protocol


class Progress(Protocol):
    """Called again and again while a step works. stage: what is being done, the same words as long as it is that.

    done, total: how much of it is done, and of how much; total is None where nobody knows. detail: what is at hand.
    """

    def __call__(self, stage: str, done: int, total: int | None = None, detail: str = "") -> None: ...


def silent(stage: str, done: int, total: int | None = None, detail: str = "") -> None:
    """No progress."""
