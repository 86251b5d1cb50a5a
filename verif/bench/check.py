"""The usual unit test in one call: words in, exactly these words out, under every stall pattern."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from amaranth.back import verilog
from amaranth.lib import wiring

from bench.runner import SIM_BUILD, simulate
from bench.stalls import STALL_PATTERNS
from bench.timing import Span
from hc1gen.rtl.memory import Memory


def convert(component: wiring.Component, name: str) -> Path:
    """The component as a Verilog file whose top module is `name`."""
    text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    folder = SIM_BUILD / f"verilog-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.v"
    path.write_text(text)
    return path


def written(folder: Path, memories: Sequence[Memory]) -> list[Path]:
    """Memories as files in `folder`."""
    paths = [folder / f"{memory.name}.v" for memory in memories]
    for path, memory in zip(paths, memories, strict=True):
        path.write_text(memory.verilog())
    return paths


def check_streams(
    name: str,
    design: wiring.Component | Sequence[Path],
    inputs: Mapping[str, Iterable[int]],
    outputs: Mapping[str, Iterable[int]],
    *,
    constants: Mapping[str, int] | None = None,
    patterns: Collection[str] = tuple(STALL_PATTERNS),
    timing: Sequence[Span] = (),
    timeout: int = 100_000,
    seed: int = 0,
    optimise: bool = False,
) -> None:
    """Raise AssertionError unless the design turns `inputs` (words by stream name) into `outputs`, in order.

    `design` is an Amaranth component, or Verilog files of which one holds the module `name`. `constants` are values
    of ports that are not streams. Each pattern's run follows a run that a reset cut short. `timing` is what holds of
    the transfers in the run without stalls.
    """
    if timing and "none" not in patterns:
        raise ValueError("timing is only measured in the run without stalls, pattern none")
    sources = [convert(design, name)] if isinstance(design, wiring.Component) else design
    case = {
        "inputs": {stream: _integers(words) for stream, words in inputs.items()},
        "outputs": {stream: _integers(words) for stream, words in outputs.items()},
        "constants": dict(constants or {}),
        "patterns": list(patterns),
        "timing": list(timing),
        "timeout": timeout,
    }
    simulate(name, sources, name, "bench.compare", case=case, seed=seed, optimise=optimise)


def _integers(words: Iterable[int]) -> list[int]:
    return [int(word) for word in words]
