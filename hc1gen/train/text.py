"""Windows of tokens to train and to validate on: from a user's text, and from text that the teacher writes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError, problem
from ..frontend.evaluate import windows
from ..frontend.textfile import TOKEN_FILE, read_ids, read_text
from ..frontend.tokenizer import Tokenizer
from .teacher import FloatModel

SEPARATOR = "<|endoftext|>"
"""Between the documents of a text; not part of it."""
BATCH = 512
"""Sequences that a teacher writes at a time."""
PIECE = 200_000
"""Characters that are tokenised at a time, cut at a line's end."""
HELD_OUT = 50
"""One window of so many is kept for validation where no text is named for it."""
LEAST = 8
"""Windows without which there is nothing to train on."""


@dataclass(frozen=True)
class Texts:
    """Token windows [N, T], every row one sequence; validation sets by name, never trained on."""

    training: tuple[np.ndarray, ...]
    validation: dict[str, np.ndarray]


def text_windows(file: Path, tokenizer: Tokenizer, window: int, bos: int | None, vocab: int) -> np.ndarray:
    """A text, or token ids in a .npy file → int64 [N, window + 1], without BOS [N, window].

    A matrix of ids has a window in each row as it stands. `InputError` where there is too little, or does not fit.
    """
    if file.suffix == TOKEN_FILE:
        tokens = read_ids(file, vocab)
    else:
        tokens = np.array([t for piece in _pieces(read_text(file)) for t in tokenizer.encode_text(piece)], np.int64)
    length = window + (bos is not None)
    if tokens.ndim == 2 and tokens.shape[1] != length:
        found, wanted = f"rows of {tokens.shape[1]}", f"{length} for windows of {window}"
        raise InputError(file, problem("token ids", found, wanted, "choose another --window"))
    rows = tokens if tokens.ndim == 2 else windows(tokens, window, bos)
    if len(rows) < LEAST:
        found = f"{tokens.size:,} tokens"
        wanted = f"at least {LEAST * window:,}, {LEAST} windows of {window}"
        raise InputError(file, problem("text", found, wanted, "give a longer text or a smaller --window"))
    if tokens.max() >= vocab:
        raise InputError(
            file, problem("tokenizer", f"token {tokens.max()}", f"0..{vocab - 1}", "take the tokenizer of this model")
        )
    return rows


def written(
    teacher: FloatModel, count: int, length: int, seed: int, progress: Callable[[int], None] | None = None
) -> np.ndarray:
    """`count` sequences of `length` tokens that the teacher draws: int64 [count, length], the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    parts: list[np.ndarray] = []
    with torch.no_grad():
        for start in range(0, count, BATCH):
            parts.append(teacher.write(min(BATCH, count - start), length, generator).cpu().numpy())
            if progress:
                progress(start + len(parts[-1]))
    return np.concatenate(parts)


def held_out(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows to train on, the last ones, kept for validation)."""
    kept = max(1, len(rows) // HELD_OUT)
    return rows[:-kept], rows[-kept:]


def digest(file: Path) -> str:
    """SHA-256 of a file. `InputError` where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(file, f"cannot be read: {error.strerror}; name a text file") from error


def _pieces(text: str) -> list[str]:
    """Documents, long ones cut at line ends: a tokenizer slows down on megabytes at once."""
    pieces = []
    for document in text.split(SEPARATOR):
        lines = document.strip().splitlines(keepends=True)
        start, size = 0, 0
        for index, line in enumerate(lines):
            size += len(line)
            if size >= PIECE:
                pieces.append("".join(lines[start : index + 1]))
                start, size = index + 1, 0
        pieces.append("".join(lines[start:]))
    return [piece for piece in pieces if piece]
