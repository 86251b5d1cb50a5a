"""What the formats of a model are chosen on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, problem
from ..frontend.model import ModelConfig
from ..frontend.textfile import read_text
from ..frontend.tokenizer import Tokenizer
from ..golden.calibrated import CALIBRATION_TOKENS

Windows = tuple[np.ndarray, ...]
"""Token ids int64 [T] of each window."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A text file, windows of tokens, or, with neither, text that the model writes itself.

    tokens: how many of a text, the file's or the model's own; of windows all are taken. text: a file, UTF-8.
    windows: token ids [T], T at most the context, the BOS included where the model has one.
    """

    tokens: int = CALIBRATION_TOKENS
    text: str | Path | None = None
    windows: Sequence[np.ndarray] | None = None

    def read(self, tokenizer: Tokenizer, shape: ModelConfig, context: int) -> tuple[int, Windows | None]:
        """How many tokens there are, those of BOS in front of a file's windows left out, and the windows that have
        them; None where the model is to write them. `InputError` where there is nothing to calibrate on."""
        if self.tokens < 1:
            todo = "one is the least that a model can write"
            raise InputError("calibration", problem("tokens", self.tokens, "1 or more", todo))
        if self.text is not None and self.windows is not None:
            raise InputError("calibration", problem("source", "a text and windows", "one of them", "leave one out"))
        if self.windows is not None:
            windows = _checked(self.windows, shape.vocab, context)
            return sum(map(len, windows)), windows
        if self.text is None:
            return self.tokens, None
        ids = text_tokens(tokenizer, Path(self.text))[: self.tokens]
        start = [] if shape.bos is None or context == 1 else [shape.bos]
        size = context - len(start)
        return len(ids), tuple(np.array(start + ids[i : i + size]) for i in range(0, len(ids), size))


def text_tokens(tokenizer: Tokenizer, file: Path) -> list[int]:
    """Token ids of a text file, without BOS; `InputError` where there are none."""
    text = read_text(file)
    tokens = tokenizer.encode_text(text) if text else []
    if not tokens:
        raise InputError(file, "holds no text; give a file with text of the kind the model is for")
    return tokens


def _checked(windows: Sequence[np.ndarray], vocab: int, context: int) -> Windows:
    """The windows as arrays; `InputError` that names the first one that cannot be read."""
    if not len(windows):
        raise InputError("calibration", problem("windows", "none", "one or more", "leave them out for its own text"))
    found = tuple(np.asarray(window) for window in windows)
    for index, window in enumerate(found):
        what = f"windows[{index}]"
        if window.ndim != 1 or not np.issubdtype(window.dtype, np.integer) or not 1 <= window.size <= context:
            got, expected = f"{window.dtype} {list(window.shape)}", f"1 to {context} integers"
            raise InputError("calibration", problem(what, got, expected, "cut the text to the context"))
        if window.min() < 0 or window.max() >= vocab:
            got, todo = f"tokens {window.min()}..{window.max()}", "take ids of this model's tokenizer"
            raise InputError("calibration", problem(what, got, f"0..{vocab - 1}", todo))
    return tuple(window.astype(np.int64) for window in found)
