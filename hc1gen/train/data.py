"""Which windows a step sees, and what the teacher says about them."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .teacher import Teacher

CHUNK = 64
"""Windows that the teacher reads at a time."""
MEMORY = 2 << 30
"""Bytes up to which what the teacher says is kept; beyond, it reads every batch anew."""


class Source:
    """Windows of one kind, int64 [N, T + 1], and the teacher's residuals for them [N, T, D]."""

    def __init__(self, rows: np.ndarray, teacher: Teacher, hidden: int, number: int, seed: int):
        self.rows = torch.from_numpy(rows).to(teacher.device)
        self.teacher = teacher
        self.number, self.seed = number, seed
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))
        self._said: Tensor | None = None
        self._keeps = rows.size * hidden * 4 <= MEMORY // 2

    def listen(self, progress: Callable[[int], None] | None = None) -> None:
        """Let the teacher read every window once, if there is room for what it says."""
        if not self._keeps:
            return
        said, total = [], len(self.rows)
        with torch.no_grad():
            for start in range(0, total, CHUNK):
                first = max(0, min(start, total - CHUNK))  # chunks of one size: a compiled teacher is compiled once
                said.append(self.teacher.trunk(self.rows[first : first + CHUNK, :-1])[start - first :])
                if progress:
                    progress(min(start + CHUNK, total))
        self._said = torch.cat(said)

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """(tokens [size, T], the teacher's residuals [size, T, D]) of a step: a function of the seed and the step."""
        index = torch.tensor([self._at(step * size + i) for i in range(size)], device=self.rows.device)
        tokens = self.rows[index, :-1]
        if self._said is not None:
            return tokens, self._said[index]
        with torch.no_grad():
            return tokens, self.teacher.trunk(tokens)

    def _at(self, position: int) -> int:
        """The window at a place of an endless run through all of them, shuffled anew each time."""
        epoch, place = divmod(position, len(self.rows))
        if self._order[0] != epoch:
            random = np.random.default_rng([self.seed, self.number, epoch])
            self._order = (epoch, random.permutation(len(self.rows)))
        return int(self._order[1][place])


class Batches:
    """Batches of windows, shared out evenly among the sources."""

    def __init__(self, sources: list[Source], size: int):
        if size < len(sources):
            raise ValueError(f"a batch of {size} has no room for {len(sources)} sources")
        self.sources = sources
        self.sizes = [size // len(sources) + (i < size % len(sources)) for i in range(len(sources))]

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        parts = [source.batch(step, size) for source, size in zip(self.sources, self.sizes, strict=True)]
        return torch.cat([tokens for tokens, _ in parts]), torch.cat([said for _, said in parts])
