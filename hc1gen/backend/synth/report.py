"""The report of a synthesis: figures of every module, how often it stands on the chip, and the sums."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from ... import __version__
from .figures import Figures
from .jobs import Plan
from .library import Library
from .yosys import Yosys

KINDS = ("tile", "table", "block")


def instances(plan: Plan, figures: Mapping[str, Figures], yosys: Yosys, work: Path) -> Counter[str]:
    """How often each module stands on the chip, in a netlist or inside a block."""
    out = work / "netlists.json"
    yosys.run(plan.top, [*(f'read_verilog "{path}"' for path in plan.netlists), f'write_json "{out}"'])
    modules = json.loads(out.read_text())["modules"]
    inside = {name: Counter(cell["type"] for cell in module["cells"].values()) for name, module in modules.items()}
    inside |= {name: Counter(own.inside) for name, own in figures.items()}
    counts: Counter[str] = Counter()
    todo = [(plan.top, 1)]
    while todo:
        name, count = todo.pop()
        counts[name] += count
        todo += [(kind, count * n) for kind, n in inside.get(name, Counter()).items()]
    return counts


def report(
    plan: Plan, library: Library | None, figures: Mapping[str, Figures], counts: Mapping[str, int]
) -> dict[str, Any]:
    """JSON fields: sums over the chip, by kind of module, by module; the memories, which are no part of any area."""
    modules, sums = {}, {kind: Figures() for kind in KINDS}
    weights = 0
    for job in plan.jobs:
        own, count = figures[job.name], counts[job.name]
        sums[job.kind] += own * count
        weights += job.weights * count
        modules[job.name] = {"kind": job.kind, "instances": count, **_per_weight(own, job.weights)}
        if job.tensors:
            modules[job.name] |= {"tensors": list(job.tensors)}
    memories = {
        memory.name: {"instances": counts[memory.name], "words": memory.words, "bits": memory.bits,
                      "memory_bits": memory.words * memory.bits}
        for memory in plan.memories
    }  # fmt: skip
    total = sum(sums.values(), Figures())
    return {
        "library": library.name if library else None,
        "tools": {"hc1gen": __version__, "pyosys": metadata.version("pyosys")},
        **_per_weight(total, weights),
        "memory_bits": sum(memory["instances"] * memory["memory_bits"] for memory in memories.values()),
        "kinds": {kind: _per_weight(found, weights if kind == "tile" else 0) for kind, found in sums.items()},
        "modules": modules,
        "memories": memories,
    }


def _per_weight(figures: Figures, weights: int) -> dict[str, Any]:
    """Fields of figures, and where there are weights, the area of one."""
    found = {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(figures).items()}
    del found["inside"]
    if weights:
        found |= {
            "weights": weights,
            "area_per_weight_um2": round(figures.area_um2 / weights, 4),
            "logic_per_weight_um2": round((figures.area_um2 - figures.register_um2) / weights, 4),
        }
    return found
