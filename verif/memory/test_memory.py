"""The memory module alone."""

from pathlib import Path

import pytest
from bench.runner import simulate

from hc1gen.rtl.memory import READ_LATENCY, Memory


@pytest.mark.parametrize(("depth", "width"), [(1, 5), (6, 70)])
def test_memory(tmp_path: Path, depth: int, width: int):
    source = tmp_path / "words.v"
    source.write_text(Memory("words", depth, width, "Test").verilog())
    case = {"depth": depth, "width": width, "read_latency": READ_LATENCY, "clocks": 600}
    simulate("memory", [source], "words", "memory.words", case=case)
