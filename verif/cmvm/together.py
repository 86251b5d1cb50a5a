"""Several designs in one simulation: a block in many shapes costs one build."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.hdl import Module
from amaranth.lib import wiring
from bench.check import check_streams, convert
from bench.timing import Span

WAIVERS = Path(__file__).with_name("amaranth.vlt")
Words = Mapping[str, Iterable[int]]


@dataclass(frozen=True)
class Run:
    """A design all of whose ports are streams, the words that go into it and must come out, by stream, and how far
    apart their transfers are where nothing stalls."""

    design: wiring.Component
    inputs: Words
    outputs: Words
    timing: Sequence[Span] = ()


class Together(wiring.Component):
    """Designs side by side; stream `x` of design `a` is `a_x`."""

    def __init__(self, designs: Mapping[str, wiring.Component]):
        self.designs = designs
        super().__init__(
            {f"{n}_{port}": member for n, d in designs.items() for port, member in d.signature.members.items()}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, design in self.designs.items():
            m.submodules[name] = design
            for port in design.signature.members:
                wiring.connect(m, getattr(design, port), wiring.flipped(getattr(self, f"{name}_{port}")))
        return m


def check_together(
    name: str,
    runs: Mapping[str, Run],
    patterns: Collection[str] = ("none", "both"),
    sources: Sequence[Path] = (),
) -> None:
    """`check_streams` of all runs at once; `sources` hold modules that the designs instantiate."""
    top = convert(Together({key: run.design for key, run in runs.items()}), name)
    inputs = {f"{key}_{port}": words for key, run in runs.items() for port, words in run.inputs.items()}
    outputs = {f"{key}_{port}": words for key, run in runs.items() for port, words in run.outputs.items()}
    timing = [
        Span((f"{key}_{source}", a), (f"{key}_{sink}", b), clocks)
        for key, run in runs.items()
        for (source, a), (sink, b), clocks in run.timing
    ]
    check_streams(name, [WAIVERS, top, *sources], inputs, outputs, patterns=patterns, timing=timing)
