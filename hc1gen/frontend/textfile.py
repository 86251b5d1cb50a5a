"""Text files of a user."""

from pathlib import Path

from hc1gen.errors import InputError


def read_text(file: Path) -> str:
    """A text file, UTF-8. `InputError` where it is none, or cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(file, f"not UTF-8 text: byte {error.start} cannot be decoded; convert the file") from error
    except OSError as error:
        raise InputError(file, f"cannot be read: {error.strerror}; name a text file") from error
