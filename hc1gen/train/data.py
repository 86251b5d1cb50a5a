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


class Batches:
    """Batches of `size` windows out of rows int64 [N, T + 1], and the teacher's residuals for them.

    All rows, of whatever source, are seen equally often: each once before one is seen again.
    """

    def __init__(self, rows: np.ndarray, teacher: Teacher, hidden: int, size: int, seed: int):
        self.rows = torch.from_numpy(rows).to(teacher.device)
        self.teacher, self.hidden, self.size, self.seed = teacher, hidden, size, seed
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))
        self._said: Tensor | None = None

    def listen(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Let the teacher read every window once, if there is room for what it says."""
        count, length = len(self.rows), self.rows.shape[1] - 1
        if 4 * count * length * self.hidden > MEMORY:
            return
        said = torch.empty((count, length, self.hidden), device=self.teacher.device)
        with torch.no_grad():
            for start in range(0, count, CHUNK):
                first = max(0, min(start, count - CHUNK))  # chunks of one size: a compiled teacher is compiled once
                said[first : first + CHUNK] = self.teacher.trunk(self.rows[first : first + CHUNK, :-1])
                if progress:
                    progress(min(start + CHUNK, count), count)
        self._said = said

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """(tokens [size, T], the teacher's residuals [size, T, D]) of a step: a function of the seed and the step."""
        index = torch.tensor([self._at(step * self.size + i) for i in range(self.size)], device=self.rows.device)
        tokens = self.rows[index, :-1]
        if self._said is not None:
            return tokens, self._said[index]
        with torch.no_grad():
            return tokens, self.teacher.trunk(tokens)

    def _at(self, position: int) -> int:
        """The window at a place of an endless run through all of them, shuffled anew each time."""
        epoch, place = divmod(position, len(self.rows))
        if self._order[0] != epoch:
            random = np.random.default_rng([self.seed, epoch])
            self._order = (epoch, random.permutation(len(self.rows)))
        return int(self._order[1][place])
