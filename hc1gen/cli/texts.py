"""Texts to measure on: files of text or of token ids, cut into windows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..api import Model
from ..api.calibration import text_tokens
from ..errors import InputError, problem
from ..frontend.evaluate import windows
from ..frontend.textfile import TOKEN_FILE, read_ids


@dataclass(frozen=True, eq=False)
class Text:
    """Windows of token ids, int64 [N, W]: the first of each is given, the others are to be predicted."""

    file: Path
    rows: np.ndarray

    @classmethod
    def read(cls, model: Model, file: Path, tokens: int, window: int) -> "Text":
        """About the first `tokens` tokens of a file, rounded up to whole windows.

        A UTF-8 text, or a vector of ids in a .npy file, is cut into windows of `window` behind a BOS; a matrix of ids
        has a window in each row as it stands. InputError where there is no whole window, or the model is too short
        for it.
        """
        shape = model.ir.config
        ids = read_ids(file, shape.vocab) if file.suffix == TOKEN_FILE else np.array(text_tokens(model.tokenizer, file))
        if ids.ndim == 2:
            rows = ids[: -(-tokens // max(ids.shape[1] - 1, 1))]
        else:
            rows = windows(ids[: -(-tokens // window) * window], window, shape.bos)
        text = cls(file, rows)
        problems = text.problems(model)
        if not len(rows):
            expected = f"a window of {window} or more"
            problems.insert(0, problem("text", f"{ids.size} tokens", expected, "choose a smaller --window"))
        if problems:
            raise InputError(file, problems)
        return text

    def problems(self, model: Model) -> list[str]:
        """What keeps a model from reading the windows."""
        shape, least = model.ir.config, 1 if model.ir.config.bos is not None else 2
        if 1 <= self.rows.shape[1] - 1 <= shape.max_positions:
            return []
        got, expected = self.rows.shape[1] - (2 - least), f"{least} to {shape.max_positions + least - 1}"
        return [
            problem("--window", got, f"{expected}, what the model can see", "choose such a value, or give such rows")
        ]

    def size(self, model: Model) -> int:
        """Bytes of what is to be predicted, in UTF-8."""
        decode = model.tokenizer.decode
        return sum(len(decode(row).encode()) - len(decode(row[:1]).encode()) for row in self.rows)
