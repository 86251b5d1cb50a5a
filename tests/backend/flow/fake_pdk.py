"""A PDK that is nothing but its configuration: as much of sky130A as LibreLane needs to read a design's."""

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

LIBRARY = "sky130_fd_sc_hd"


def fake_pdk(root: Path, variables: Iterable[Any]) -> Path:
    """Make `root/sky130A` with a value for each PDK variable (of LibreLane's `Variable`) that must have one."""
    tech = root / "sky130A" / "libs.tech" / "librelane"
    (tech / LIBRARY).mkdir(parents=True)
    view = root / "view"
    view.touch()
    lines = [f"set ::env(STD_CELL_LIBRARY) {LIBRARY}"]
    for variable in variables:
        if variable.pdk and variable.name != "STD_CELL_LIBRARY":
            value = _value(variable.type, view)
            if value is not None:
                lines.append(f"set ::env({variable.name}) {{{value}}}")
    (tech / "config.tcl").write_text("\n".join(lines) + "\n")
    (tech / LIBRARY / "config.tcl").touch()
    return root


def _value(kind: Any, view: Path) -> str | None:
    """Some value of a type, as Tcl; None where none is needed."""
    origin, arguments = get_origin(kind), get_args(kind)
    if type(None) in arguments:
        return None
    if origin is dict:
        return f"* {_value(arguments[1], view)}"
    if origin in (list, tuple):
        return _value(arguments[0], view)
    if origin is Literal:
        return str(arguments[0])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return str(next(iter(kind)).value)
    if kind in (int, float, Decimal):
        return "1"
    if kind is bool:
        return "0"
    return "a/b" if kind is str else str(view)
