"""Liberty files as text: the groups of a library, of which some are kept. What cells do is for yosys to say.

Several files of one library become one; the timing tables of cells that nobody uses are what makes them large.
"""

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from ...errors import InputError, problem

_HEAD = re.compile(r"\s*library\s*\(\s*\"?([^\s\"()]+)\"?\s*\)\s*\{")
_GROUP = re.compile(r"(\w+)\s*\(([^(){};:]*)\)\s*\{")
_BRACE = re.compile(r"[{}]")
_ATTRIBUTE = re.compile(r"(\w+)\s*:\s*\"?([^\";\n]*)\"?\s*;")
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
EXPECTED = "library (NAME) { ... } with cells"
TODO = "give the .lib or .lib.gz files of a cell library"


@dataclass(frozen=True)
class Group:
    """`kind (name) { ... }` of a library, with its whole text."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Liberty:
    """A library: what its `attributes` set for all cells, and its groups in order."""

    name: str
    attributes: str
    groups: tuple[Group, ...]

    def cells(self) -> dict[str, str]:
        """Cell name → text."""
        return {group.name: group.text for group in self.groups if group.kind == "cell"}

    def text(self, cells: Iterable[str]) -> str:
        """The library with nothing but the cells that are given as texts."""
        shared = [group.text for group in self.groups if group.kind != "cell"]
        return "\n".join([f"library ({self.name}) {{", self.attributes, *shared, *cells, "}", ""])


def read(paths: Iterable[Path]) -> Liberty:
    """The files of one library as one; `InputError` names every file that is not Liberty."""
    found, problems = [], []
    for path in paths:
        try:
            found.append(parse(path, text_of(path)))
        except InputError as error:
            problems += [str(error)]
    if problems:
        raise InputError("--liberty", problems)
    return _merge(found)


def text_of(path: Path) -> str:
    """What is in a file, gzipped or not, without comments."""
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(path, problem("Liberty file", f"a damaged gzip file ({error})", EXPECTED, TODO)) from error
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}; {TODO}") from error
    return _COMMENT.sub("", content.decode("utf-8", "replace"))


def parse(path: Path, text: str) -> Liberty:
    """A library of one file."""
    head = _HEAD.match(text)
    if head is None:
        first = text.lstrip()[:40].partition("\n")[0]
        raise InputError(path, problem("Liberty file", repr(first) if first else "nothing", EXPECTED, TODO))
    end, groups, attributes = _closing(text, head.end(), path), [], []
    at = head.end()
    for kind, name, start, stop in _groups(text, at, end, path):
        attributes.append(text[at:start])
        groups.append(Group(kind, name.strip().strip('"'), text[start:stop]))
        at = stop
    attributes.append(text[at:end])
    if not any(group.kind == "cell" for group in groups):
        raise InputError(path, problem("Liberty file", "a library without a cell", EXPECTED, TODO))
    return Liberty(head[1], "".join(attributes), tuple(groups))


def _groups(text: str, at: int, end: int, path: Path) -> Iterator[tuple[str, str, int, int]]:
    """(kind, name, start, end) of the groups between `at` and `end`."""
    while (found := _GROUP.search(text, at, end)) is not None:
        at = _closing(text, found.end(), path) + 1
        yield found[1], found[2], found.start(), at


def _closing(text: str, at: int, path: Path) -> int:
    """Where the brace that was opened before `at` is closed."""
    depth = 1
    for brace in _BRACE.finditer(text, at):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    raise InputError(path, problem("Liberty file", "a brace that is never closed", EXPECTED, "get the file again"))


def _merge(libraries: list[Liberty]) -> Liberty:
    """One library; what the files share, the first one says."""
    if len(libraries) == 1:
        return libraries[0]
    groups: dict[tuple[str, str], Group] = {}
    for library in libraries:
        for group in library.groups:
            groups.setdefault((group.kind, group.name), group)
    parts = zip(*(library.name.split("_") for library in libraries), strict=False)
    name = "_".join(part[0] for part in takewhile(lambda part: len(set(part)) == 1, parts)) or libraries[0].name
    return Liberty(name, libraries[0].attributes, tuple(groups.values()))


def attributes(group: str) -> dict[str, str]:
    """The simple attributes of a group's text, those of the groups in it left out."""
    own, at = [], group.index("{") + 1
    for _, _, start, stop in _groups(group, at, len(group), Path("cell")):
        own.append(group[at:start])
        at = stop
    return {name: value.strip() for name, value in _ATTRIBUTE.findall("".join([*own, group[at:]]))}


def pins(cell: str) -> dict[str, dict[str, str]]:
    """Pin name → attributes of a cell."""
    body = cell.index("{") + 1
    found = _groups(cell, body, len(cell), Path("cell"))
    return {name.strip().strip('"'): attributes(cell[start:stop]) for kind, name, start, stop in found if kind == "pin"}


def without_pin(cell: str, pin: str, name: str) -> str:
    """A cell's text under another name, one of its pins left out."""
    body = cell.index("{") + 1
    for kind, found, start, stop in _groups(cell, body, len(cell), Path("cell")):
        if kind == "pin" and found.strip().strip('"') == pin:
            return f"cell ({name}) {{" + cell[body:start] + cell[stop:]
    raise ValueError(f"no pin {pin}")
