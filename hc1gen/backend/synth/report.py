"""The report of a synthesis: figures of every module, how often it stands on the chip, and the sums."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ... import __version__
from .figures import Figures
from .jobs import Sources
from .library import Library
from .yosys import Yosys

KINDS = ("tile", "table", "block")


@dataclass(frozen=True)
class Amount:
    """What something takes in cells; weights: how many of the model's are in it."""

    figures: Figures
    weights: int = 0

    @property
    def area_per_weight_um2(self) -> float:
        """Of all cells, in µm²; only where there are weights."""
        return round(self.figures.area_um2 / self.weights, 4)

    @property
    def logic_per_weight_um2(self) -> float:
        """The same without registers."""
        return round((self.figures.area_um2 - self.figures.register_um2) / self.weights, 4)

    def to_json(self) -> dict[str, Any]:
        """The figures, and where there are weights, the area of one."""
        values = asdict(self.figures)
        found = {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
        del found["inside"]
        if self.weights:
            found |= {
                "weights": self.weights,
                "area_per_weight_um2": self.area_per_weight_um2,
                "logic_per_weight_um2": self.logic_per_weight_um2,
            }
        return found


@dataclass(frozen=True)
class MappedModule:
    """A module of the chip: its kind (one of `KINDS`), how often it stands there, what one of it takes, and which
    tensors a tile holds."""

    kind: str
    instances: int
    amount: Amount
    tensors: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As report.json has it."""
        found = {"kind": self.kind, "instances": self.instances, **self.amount.to_json()}
        return found | ({"tensors": list(self.tensors)} if self.tensors else {})


@dataclass(frozen=True)
class BlackBox:
    """A memory: how often it stands on the chip, its words, and the bits of a word. It is no part of any area."""

    instances: int
    words: int
    bits: int

    def to_json(self) -> dict[str, int]:
        """As report.json has it; memory_bits: of one."""
        return {**asdict(self), "memory_bits": self.words * self.bits}


@dataclass(frozen=True)
class SynthesisReport:
    """A chip in cells. library: its name, None for generic gates; tools: name → version; total: of the chip;
    kinds: kind of module → the sum; modules, memories: by the names of their modules."""

    library: str | None
    tools: dict[str, str]
    total: Amount
    kinds: dict[str, Amount]
    modules: dict[str, MappedModule]
    memories: dict[str, BlackBox]

    @property
    def memory_bits(self) -> int:
        """Bits of all memories."""
        return sum(each.instances * each.words * each.bits for each in self.memories.values())

    def to_json(self) -> dict[str, Any]:
        """As report.json has it (docs/synthesis.md)."""
        return {
            "library": self.library,
            "tools": self.tools,
            **self.total.to_json(),
            "memory_bits": self.memory_bits,
            **{
                name: {key: each.to_json() for key, each in group.items()}
                for name, group in (("kinds", self.kinds), ("modules", self.modules), ("memories", self.memories))
            },
        }


def instances(sources: Sources, figures: Mapping[str, Figures], yosys: Yosys, work: Path) -> Counter[str]:
    """How often each module stands on the chip, in a netlist or inside a block."""
    out = work / "netlists.json"
    yosys.run(sources.top, [*(f'read_verilog "{path}"' for path in sources.netlists), f'write_json "{out}"'])
    modules = json.loads(out.read_text())["modules"]
    inside = {name: Counter(cell["type"] for cell in module["cells"].values()) for name, module in modules.items()}
    inside |= {name: Counter(own.inside) for name, own in figures.items()}
    counts: Counter[str] = Counter()
    todo = [(sources.top, 1)]
    while todo:
        name, count = todo.pop()
        counts[name] += count
        todo += [(kind, count * n) for kind, n in inside.get(name, Counter()).items()]
    return counts


def report(
    sources: Sources, library: Library | None, figures: Mapping[str, Figures], counts: Mapping[str, int]
) -> SynthesisReport:
    """Sums over the chip, by kind of module, by module; the memories, which are no part of any area."""
    modules, sums = {}, {kind: Figures() for kind in KINDS}
    weights = 0
    for job in sources.jobs:
        own, count = figures[job.name], counts[job.name]
        sums[job.kind] += own * count
        weights += job.weights * count
        modules[job.name] = MappedModule(job.kind, count, Amount(own, job.weights), job.tensors)
    return SynthesisReport(
        library.name if library else None,
        {"hc1gen": __version__, "pyosys": metadata.version("pyosys")},
        Amount(sum(sums.values(), Figures()), weights),
        {kind: Amount(found, weights if kind == "tile" else 0) for kind, found in sums.items()},
        modules,
        {each.name: BlackBox(counts[each.name], each.words, each.bits) for each in sources.memories},
    )
