"""A report beside an earlier one: what differs, and in which direction. Of every figure, less is better."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError, problem
from ...frontend.jsonfile import read_object

FIGURES = (
    "area_um2", "area_per_weight_um2", "cells", "full_adders", "flip_flops", "transistors", "memory_bits",
    "logic_depth", "delay_ps",
)  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    """An earlier report; `InputError` where the file is none."""
    found = read_object(path)
    if not isinstance(found.get("modules"), dict) or not isinstance(found.get("area_um2"), int | float):
        raise InputError(
            path, problem("report", "another file", "report.json of hc1gen synth", "name one of its reports")
        )
    return found


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """`chip` and each module that both have → figure that differs → `before`, `now` and the change in `percent`."""
    pairs = {"chip": (before, now)}
    pairs |= {name: (before["modules"][name], m) for name, m in now["modules"].items() if name in before["modules"]}
    found = {name: _differences(*pair) for name, pair in pairs.items()}
    return {name: differences for name, differences in found.items() if differences}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        name: {"before": before[name], "now": now[name], "percent": _percent(before[name], now[name])}
        for name in FIGURES
        if name in before and name in now and before[name] != now[name]
    }


def _percent(before: float, now: float) -> float:
    return round(100 * (now - before) / before, 1) if before else 100.0
