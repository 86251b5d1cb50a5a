"""Names of files in a baked folder, which never lead out of it."""

import re
from pathlib import Path

from ...errors import InputError, problem

AGAIN = "bake the chip again"
END = r"$(?!\n)"
"""The end of a regular expression; Python's `$` alone also stands before a last line end."""
INSIDE = rf"^(?!(?:.*/)?\.{{0,2}}(?:/|$))[^\\\x00-\x1f]+{END}"
"""A path inside the folder: no part of it is empty, `.` or `..`; no backslash and no control character."""
INSIDE_WORDS = "a path inside the folder"


def place(folder: Path, name: str, where: Path) -> Path:
    """Where the file `name` of `folder` lies; it need not be there.

    Raises `InputError(where)` where the name, or a link on the way, leads out of the folder.
    """
    if not re.search(INSIDE, name):
        raise InputError(where, problem("file", repr(name), INSIDE_WORDS, AGAIN))
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links that go round in a circle
        inside = False
    if not inside:
        raise InputError(where, problem(name, "a link that leaves the folder", "a file in the folder", AGAIN))
    return path
