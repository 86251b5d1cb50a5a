"""What a run has to remember to go on as if it had never stopped, in a folder beside the output."""

import math
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, problem

STATE = "state.pt"
NEW = f".{STATE}.new"
FORMAT = 3
RECENT = 20
"""Steps whose losses are taken together."""


@dataclass
class State:
    """A run between two steps. The data of a step follow from the seed and its number, so no generator is kept.

    settings: what the run was started with; steps: how many it is to have; losses: of every step so far;
    best: least `recent`; curve: (step, validation set → nats).
    """

    settings: dict[str, Any]
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    best: float = math.inf
    losses: list[float] = field(default_factory=list)
    curve: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    formats: Any = None
    model: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)

    @property
    def recent(self) -> float:
        """Mean loss of the last `RECENT` steps."""
        last = self.losses[-RECENT:]
        return sum(last) / len(last)


def save(folder: Path, state: State) -> None:
    """Write `state` whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / NEW
    torch.save({"format": FORMAT, **vars(state)}, work)
    os.replace(work, folder / STATE)


def load(folder: Path, settings: dict[str, Any]) -> State | None:
    """The state in `folder`, None where there is none. `InputError` where it is broken or of other settings."""
    path = folder / STATE
    if not path.exists():
        return None
    todo = f"give the earlier settings again to go on, or remove {folder} to start anew"
    try:
        found = torch.load(path, weights_only=True)
        if found.pop("format") != FORMAT:
            raise ValueError("written by another version")
        state = State(**found)
    except Exception as error:  # torch raises many kinds
        raise InputError(path, f"not a state of hc1gen train: {error}; remove {folder} to start anew") from error
    names = sorted(settings.keys() | state.settings.keys())
    differing = [n for n in names if state.settings.get(n) != settings.get(n)]
    if differing:
        lines = [problem(n, state.settings.get(n), f"{settings.get(n)}, asked for now", todo) for n in differing]
        raise InputError(path, lines)
    return state


def remove(folder: Path) -> None:
    """Forget a run that is finished. Anything else in the folder stays."""
    for name in (STATE, NEW):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
