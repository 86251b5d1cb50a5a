"""One picture of a run: the loss of every step, and validation in the integer golden model."""

from pathlib import Path

import numpy as np

from .state import State

SMOOTH = 100
"""Points that the line of losses is thinned to."""


def plot(path: Path, state: State, teacher: dict[str, float], loss_name: str) -> None:
    """Write a PNG. teacher: validation set → nats per token of the teacher."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True)
    group = max(1, len(state.losses) // SMOOTH)
    whole = np.array(state.losses[: len(state.losses) // group * group]).reshape(-1, group)
    top.plot((np.arange(len(whole)) + 1) * group, whole.mean(axis=1))
    top.set_yscale("log")
    top.set_ylabel(loss_name)
    for index, name in enumerate(teacher):
        colour = f"C{index}"
        bottom.plot(*zip(*((s, v[name]) for s, v in state.curve), strict=True), "o-", color=colour, label=name)
        bottom.axhline(teacher[name], color=colour, linestyle="--", label=f"{name}, teacher")
    bottom.set_ylabel("integer golden model, nats per token")
    bottom.set_xlabel("step")
    bottom.legend()
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120, metadata={"Software": None})
