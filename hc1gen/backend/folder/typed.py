"""From JSON to frozen dataclasses: every field is there and of its type, and there is no other.

Types are dataclasses, `int`, `float`, `bool`, `str`, `Literal`, `tuple[X, ...]`, `dict[str, X]`, `X | None`, and unions
of dataclasses that differ in a field `kind`. A field's metadata may have a `range` and a `doc`; `Annotated` adds a
`Range` or a `Pattern`. The JSON schema is made of the same types (`schema.py`).
"""

import re
import sys
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ...errors import InputError, problem
from .names import AGAIN

T = TypeVar("T")
TAG = "kind"
"""Field that says which dataclass of a union an object is."""
SCALARS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
MOST = 20
"""Problems that are told; more are counted."""
LONGEST = 60
"""Characters of a text that an error shows."""


@dataclass(frozen=True)
class Range:
    """Least and greatest value of a number, None where there is no bound."""

    low: int
    high: int | None = None

    def fits(self, value: Any) -> bool:
        return self.low <= value and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        return f"at least {self.low}" if self.high is None else f"{self.low} to {self.high}"


@dataclass(frozen=True)
class Pattern:
    """A regular expression for a text, and in words what it is."""

    regex: str
    words: str

    def fits(self, value: Any) -> bool:
        return re.search(self.regex, value) is not None

    def __str__(self) -> str:
        return self.words


Check = Range | Pattern


def split(kind: Any) -> tuple[Any, list[Check]]:
    """A type without its annotations, and what they demand."""
    if get_origin(kind) is not Annotated:
        return kind, []
    base, *notes = get_args(kind)
    return base, [note for note in notes if isinstance(note, Check)]


@cache
def types_of(cls: type) -> dict[str, Any]:
    """Field of a dataclass → its type, with the range that its metadata has."""
    hints = get_type_hints(cls, include_extras=True)
    ranges = {field.name: field.metadata.get("range") for field in fields(cls)}
    return {name: Annotated[hints[name], Range(*bounds)] if bounds else hints[name] for name, bounds in ranges.items()}


def members(kind: Any) -> list[Any]:
    """What a union is made of, or the type itself."""
    return list(get_args(kind)) if get_origin(kind) in (Union, UnionType) else [kind]


def tags(cls: type) -> tuple[str, ...]:
    """What a dataclass's field `kind` may say."""
    return get_args(types_of(cls)[TAG])


def read(kind: type[T], value: object, where: object) -> T:
    """`value`, as JSON has it, as a `kind`. Raises `InputError(where)` that names every field that is wrong."""
    reader = _Reader()
    found = reader.value(kind, value, "")
    if reader.problems:
        more = len(reader.problems) - MOST
        raise InputError(where, reader.problems[:MOST] + ([f"and {more} more fields"] if more > 0 else []))
    return found


def expected(kind: Any) -> str:
    """A type in words."""
    base, checks = split(kind)
    if checks:
        return " and ".join(map(str, checks))
    kinds = [each for each in members(base) if each is not NoneType]
    if len(kinds) < len(members(base)):
        return "one or null" if is_dataclass(kinds[0]) else f"{expected(kinds[0])} or null"
    if get_origin(base) is Literal:
        *others, last = map(str, get_args(base))
        return f"{', '.join(others)} or {last}" if others else last
    return SCALARS.get(base, "a list" if get_origin(base) is tuple else "an object")


def shown(value: object) -> str:
    """A value of JSON in an error."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return text if text.strip() and text.isprintable() else repr(text)


class _Reader:
    """Makes values of their types and collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def wrong(self, path: str, got: object, wanted: object) -> None:
        self.problems.append(problem(path or "content", got, wanted, AGAIN))

    def value(self, kind: Any, got: Any, path: str) -> Any:
        """The value of one field, or None after noting a problem."""
        base, checks = split(kind)
        kinds = members(base)
        if NoneType in kinds and got is None:
            return None
        kinds = [each for each in kinds if each is not NoneType]
        if len(kinds) > 1:
            return self._tagged(kinds, got, path)
        base = kinds[0]
        if not _is(base, got) or not all(check.fits(got) for check in checks):
            return self.wrong(path, shown(got), expected(kind))
        if is_dataclass(base):
            return self._object(base, got, path)  # type: ignore[arg-type]
        if get_origin(base) is tuple:
            return tuple(self.value(get_args(base)[0], each, f"{path}[{i}]") for i, each in enumerate(got))
        if get_origin(base) is dict:
            key, content = get_args(base)
            return {self.value(key, k, path): self.value(content, v, f"{path}.{k}") for k, v in got.items()}
        return float(got) if base is float else got

    def _tagged(self, kinds: list[Any], got: Any, path: str) -> Any:
        """An object of the dataclass that its `kind` names."""
        if not isinstance(got, dict):
            return self.wrong(path, shown(got), "an object")
        classes = {tag: each for each in kinds for tag in tags(each)}
        tag = got.get(TAG, "nothing")
        if not isinstance(tag, str) or tag not in classes:
            return self.wrong(f"{path}.{TAG}", shown(tag), expected(Literal[*classes]))
        return self._object(classes[tag], got, path)

    def _object(self, cls: type, got: dict[str, Any], path: str) -> Any:
        before, found, dot = len(self.problems), {}, f"{path}." if path else ""
        kinds = types_of(cls)
        for name, kind in kinds.items():
            if name in got:
                found[name] = self.value(kind, got[name], dot + name)
            else:
                self.wrong(dot + name, "nothing", expected(kind))
        for name in got.keys() - kinds.keys():
            self.problems.append(f"{dot}{name}: there is no such field; {AGAIN}")
        return cls(**found) if len(self.problems) == before else None


def _is(base: Any, got: object) -> bool:
    """Whether a value of JSON is of a type, its parts left aside. JSON's true and false are no numbers."""
    if get_origin(base) is Literal:
        return any(type(got) is type(each) and got == each for each in get_args(base))
    if isinstance(got, bool) or base is bool:
        return isinstance(got, bool) and base is bool
    if base is float:
        return isinstance(got, int | float) and abs(got) <= sys.float_info.max
    if base in (int, str):
        return isinstance(got, base)
    return isinstance(got, list if get_origin(base) is tuple else dict)
