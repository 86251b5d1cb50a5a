"""Runs benchmarks and keeps their figures: results.json, and results.md for people."""

import json
import subprocess
import sys
from pathlib import Path

from common import Fields, Table, script, show

# isort: split
import chip_area
import click
import fabric
import fpga
import grids
import lanes
import large
import numeric
import posttraining
import sampling
import speculation
import speed
import training

from hc1gen.cli.options import PATH, json_option
from hc1gen.cli.output import Output
from hc1gen.errors import CheckFailed

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
MODULES = {
    "numeric": numeric, "posttraining": posttraining, "training": training, "grids": grids, "sampling": sampling,
    "large": large, "speed": speed, "speculation": speculation, "lanes": lanes, "fabric": fabric,
    "chip_area": chip_area, "fpga": fpga,
}  # fmt: skip
QUICK = {"numeric": ["--no-steps"], "sampling": [], "large": [], "speed": []}
"""Benchmarks of minutes, and their options."""
FULL = {name: [] for name in MODULES} | {"numeric": ["--write"]}
ON_DESIGN = ("speed", "speculation")
"""Benchmarks that simulate a baked chip."""


def run(name: str, arguments: list[str]) -> Fields:
    """The JSON fields of one benchmark; a requirement that is missed is no error here, it stands in its table."""
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    fields = json.loads(done.stdout or "null")
    if not fields:
        raise CheckFailed(f"benchmarks/{name}.py: exit code {done.returncode}")
    return fields


def store(results: dict[str, Fields]) -> None:
    """Write results.json and results.md."""
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    (HERE / "results.md").write_text(markdown(results))


def load() -> dict[str, Fields]:
    """What earlier runs measured."""
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def tables_of(name: str, fields: Fields) -> list[Table]:
    """The tables of a benchmark; those of all widths stand in docs/numeric.md."""
    return MODULES[name].tables(fields)[: 1 if name == "numeric" else None]


def markdown(results: dict[str, Fields]) -> str:
    """All tables, each benchmark with what it was measured on."""
    lines = ["# Results", "", "Written by `benchmarks/run.py`; benchmarks/README.md says what is measured and how.", ""]
    for name in MODULES:
        if name in results:
            on = results[name]["conditions"]
            machine = f"{on['processors']} processors ({on['machine']}), Python {on['python']}"
            lines += [f"## {name}", "", f"On {machine}, load {on['load']} when it ended.", ""]
            lines += [table.markdown() for table in tables_of(name, results[name])]
    return "\n".join(lines)


@click.command("run")
@click.argument("design", type=PATH, required=False)
@click.option("--only", type=click.Choice(list(MODULES)), multiple=True, help="Only this one; repeatable.")
@click.option("--full", is_flag=True, help="All widths, lanes and cells too: about an hour.")
@json_option
def main(design: Path | None, only: tuple[str, ...], full: bool, output: Output) -> None:
    """Run the quick benchmarks, or all with --full, and write results.md and results.json.

    DESIGN: a baked chip for `speed` and `speculation` to simulate. Figures of benchmarks that are not run are kept.
    """
    chosen = FULL if full else QUICK
    for name in only or chosen:
        with output.progress(f"benchmark {name}"):
            extra = [str(design)] if name in ON_DESIGN and design else []
            fields = run(name, [*chosen.get(name, []), *extra])
        store(results := load() | {name: fields})
    for name in only or chosen:
        show(output, tables_of(name, results[name]))
    output.result(results)


if __name__ == "__main__":
    script(main)
