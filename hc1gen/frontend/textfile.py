"""Text files of a user, and files of token ids."""

from pathlib import Path

import numpy as np

from ..errors import InputError, problem

TOKEN_FILE = ".npy"


def read_text(file: Path) -> str:
    """A text file, UTF-8. `InputError` where it is none, or cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(file, f"not UTF-8 text: byte {error.start} cannot be decoded; convert the file") from error
    except OSError as error:
        raise InputError(file, f"cannot be read: {error.strerror}; name a text file") from error


def read_ids(file: Path, vocab: int) -> np.ndarray:
    """Token ids int64 [T] or [N, T] of a .npy file. `InputError` where it holds none, or others than 0..vocab - 1."""
    try:
        ids = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(file, f"cannot be read as an array of numpy: {error}") from error
    if not np.issubdtype(ids.dtype, np.integer) or ids.ndim not in (1, 2) or not ids.size:
        got = f"{ids.dtype} {list(ids.shape)}"
        raise InputError(file, problem("token ids", got, "integers [T] or [windows, T]", "save them with numpy.save"))
    if ids.min() < 0 or ids.max() >= vocab:
        got, todo = f"{ids.min()}..{ids.max()}", "take ids of this model's tokenizer"
        raise InputError(file, problem("token ids", got, f"0..{vocab - 1}", todo))
    return ids.astype(np.int64)
