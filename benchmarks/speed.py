"""How long the default model and its draft take: bake, build, simulation, golden model; clocks without speculation."""

import shutil
import tempfile
from pathlib import Path
from statistics import median

from common import Fields, Table, conditions, hc1gen, script, show, verdict

# isort: split
import click

from hc1gen import EMBEDDED, EMBEDDED_DRAFT
from hc1gen.cli.options import PATH, json_option
from hc1gen.cli.output import Output

PROMPT = "Once upon a time"
TOKENS = 128
POSITION = 64
RUNS = 3
REQUIRED = {
    "bake_seconds": (30.0, False, "s"),
    "bake_peak_memory_bytes": (1e9, False, "bytes"),
    "build_seconds": (300.0, False, "s"),
    "simulated_tokens_per_second": (3.0, True, "tokens/s"),
    "golden_tokens_per_second": (100.0, True, "tokens/s"),
    "clocks_at_position_64": (2000.0, False, "clocks"),
}
"""Figure → (bound, whether it is the least, unit)."""
NAMES = {
    "bake_seconds": "bake",
    "bake_peak_memory_bytes": "bake, peak memory",
    "build_seconds": "build of the simulator, from nothing",
    "simulated_tokens_per_second": "simulation",
    "golden_tokens_per_second": "golden model",
    "clocks_at_position_64": "chip, a token at position 64",
}


def measure(output: Output, design: Path | None, jobs: int) -> Fields:
    """JSON fields: medians of three runs, the build once."""
    with tempfile.TemporaryDirectory() as scratch, output.progress("measuring", 3 * RUNS + 1) as progress:
        folder = Path(scratch) / "chip"
        bakes = []
        for run in range(RUNS):
            progress("bake", run)
            bakes.append(hc1gen("bake", EMBEDDED, "--draft", EMBEDDED_DRAFT, "-o", folder))
        if design is not None:
            shutil.rmtree(folder)
            shutil.copytree(design, folder, ignore=shutil.ignore_patterns("sim"))
        progress("build the simulator", RUNS)
        plain = ("--prompt", PROMPT, "--no-speculation")
        build = hc1gen("sim", folder, *plain, "--tokens", 1, "--jobs", jobs)["build_seconds"]
        sims, goldens = [], []
        for run in range(RUNS):
            progress("simulate", RUNS + 1 + run)
            sims.append(hc1gen("sim", folder, *plain, "--tokens", TOKENS))
        for run in range(RUNS):
            progress("golden model", 2 * RUNS + 1 + run)
            goldens.append(hc1gen("golden", folder, *plain, "--tokens", TOKENS))
    clocks, first = sims[0]["clocks"], sims[0]["prompt_tokens"] - 1
    return {
        "bake_seconds": median(bake["seconds"] for bake in bakes),
        "bake_peak_memory_bytes": median(bake["peak_memory_bytes"] for bake in bakes),
        "build_seconds": build,
        "build_jobs": jobs,
        "simulated_tokens_per_second": median(sim["tokens_per_second"] for sim in sims),
        "golden_tokens_per_second": median(golden["tokens_per_second"] for golden in goldens),
        "clocks_at_position_64": clocks[POSITION - first],
        "clocks": dict(zip(range(first, first + len(clocks)), clocks, strict=True)),
        "cycles": sims[0]["cycles"],
        "tokens": len(clocks),
        "match": all(sim["match"] for sim in sims),
        "conditions": conditions(),
    }


def tables(result: Fields) -> list[Table]:
    """The figures against what is required of them, and clocks by position."""
    rows = []
    for name, (bound, least, unit) in REQUIRED.items():
        wanted = f"{'at least' if least else 'at most'} {bound:,.0f}: {verdict(result[name], bound, least)}"
        rows.append([NAMES[name], result[name], unit, wanted])
    note = (
        f"Medians of {RUNS} runs, the build once with {result['build_jobs']} jobs; {result['tokens']} tokens behind "
        f"{PROMPT!r}; the chip's tokens {'equal' if result['match'] else 'DIFFER FROM'} the golden model's."
    )
    clocks = dict(sorted((int(position), count) for position, count in result["clocks"].items()))
    chosen = [p for p in clocks if p % 32 == 0 or p in (min(clocks), max(clocks))]
    return [
        Table(
            "The default model with its draft, 337 thousand weights, not speculating",
            ("what", "figure", "unit", "required"),
            rows,
            note,
        ),
        Table(
            "Clocks of a token by its position",
            ("position", "clocks"),
            [[p, clocks[p]] for p in chosen],
            "The first one also waits for the prompt's tokens before it.",
        ),
    ]


def missed(result: Fields) -> list[str]:
    """Names of the figures that miss what is required."""
    return [n for n, (bound, least, _) in REQUIRED.items() if (result[n] < bound if least else result[n] > bound)]


@click.command()
@click.argument("design", type=PATH, required=False)
@click.option("--jobs", type=int, default=2, show_default=True, help="Compilers at a time.")
@json_option
def speed(design: Path | None, jobs: int, output: Output) -> int:
    """Time the embedded model. DESIGN: a baked chip to simulate; by default the one that the benchmark bakes.

    Exit code 1 where a figure misses what is required.
    """
    result = measure(output, design, jobs)
    show(output, tables(result))
    output.result(result)
    return int(bool(missed(result)) or not result["match"])


if __name__ == "__main__":
    script(speed)
