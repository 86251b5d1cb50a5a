"""A baked chip in cells of real libraries: area by block, registers and logic apart, and what the synthesis takes."""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, Fields, Table, conditions, hc1gen, script, show, verdict

# isort: split
import click

from hc1gen.backend.folder.chip_folder import ChipFolder
from hc1gen.backend.synth.run import synthesise
from hc1gen.cli.models import EMBEDDED
from hc1gen.cli.options import PATH, json_option
from hc1gen.cli.output import Output

PDK = ROOT.parent / "shared" / "pdk"
LIBRARIES = {
    "sky130": ["sky130_fd_sc_hd__tt_025C_1v80.lib.gz"],
    "asap7": ["asap7/*.lib.gz"],
    "nangate45": ["nangate45_typ.lib.gz"],
    "sg13g2": ["sg13g2_stdcell_typ_1p20V_25C.lib.gz"],
}
MINUTES, GIGABYTES, SKY130_MM2 = 15.0, 6.0, 8.0
"""What the whole chip may take on 2 cores, and its logic in sky130."""


def child(design: Path, name: str) -> Fields:
    """One library, from nothing, in a process of its own: report, minutes, gigabytes of its largest processes."""
    files = [path for pattern in LIBRARIES[name] for path in sorted(PDK.glob(pattern))]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / design.name
        shutil.copytree(design, fresh, ignore=shutil.ignore_patterns("sim", "synth"))
        report = synthesise(fresh, files, gates=name == "sg13g2")
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return {
        "report": report.to_json(),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "processor_minutes": round(seconds / 60, 1),
        "gigabytes": round((own.ru_maxrss + 2 * children.ru_maxrss) / 1e6, 2),  # two jobs at a time
    }


def measure(design: Path, names: list[str]) -> Fields:
    """JSON fields of all libraries."""
    found = {}
    for name in names:
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(design), name], stdout=subprocess.PIPE, text=True
        )
        done.check_returncode()
        found[name] = json.loads(done.stdout)
    checkpoint = ChipFolder.read(design).manifest.checkpoint.name
    return {"design": checkpoint, "libraries": found, "conditions": conditions()}


def tables(fields: Fields) -> list[Table]:
    """The sums, then every kind of block, in each library."""
    found = fields["libraries"]
    rows = [_sums(name, entry) for name, entry in found.items()]
    columns = ("library", "logic mm²", "tiles mm²", "tiles µm²/weight", "without registers", "full adders",
               "flip-flops", "slowest ns", "minutes", "CPU minutes", "GB")  # fmt: skip
    if "sky130" in found:
        area = found["sky130"]["report"]["area_um2"] / 1e6
        note = f"sky130: {area:.2f} mm² of logic, at most {SKY130_MM2}: {verdict(area, SKY130_MM2)}. "
    else:
        note = ""
    within = all(e["minutes"] <= MINUTES and e["gigabytes"] <= GIGABYTES for e in found.values())
    note += f"Each within {MINUTES:.0f} minutes and {GIGABYTES:.0f} GB: {'met' if within else 'NOT MET'}."
    first = next(iter(found.values()))["report"]["modules"]
    blocks = [
        [name, m["instances"], *(_mm2(e["report"]["modules"][name]) for e in found.values())]
        for name, m in sorted(first.items(), key=lambda item: -_mm2(item[1]))
    ]
    return [
        Table(f"{fields['design']} in cells", columns, rows, note),
        Table("mm² of all instances", ("module", "instances", *found), blocks),
    ]


def _sums(name: str, entry: Fields) -> list[object]:
    report = entry["report"]
    tile = report["kinds"]["tile"]
    return [
        name, report["area_um2"] / 1e6, tile["area_um2"] / 1e6,
        tile["area_per_weight_um2"], tile["logic_per_weight_um2"],
        report["full_adders"], report["flip_flops"], report["delay_ps"] / 1000,
        entry["minutes"], entry["processor_minutes"], entry["gigabytes"],
    ]  # fmt: skip


def _mm2(module: Fields) -> float:
    return module["area_um2"] * module["instances"] / 1e6


@click.command("chip_area")
@click.argument("design", type=PATH, required=False)
@click.option("--library", "names", type=click.Choice(list(LIBRARIES)), multiple=True, help="Only this; repeatable.")
@json_option
def main(design: Path | None, names: tuple[str, ...], output: Output) -> None:
    """Map the chip in DESIGN, by default the embedded model, to cells of sky130 and ASAP7, and report its area."""
    if not PDK.is_dir():
        raise click.UsageError("no cell libraries: ../shared/pdk is absent")
    if design is None:
        design = ROOT / "build" / "benchmarks" / EMBEDDED.name
        hc1gen("bake", EMBEDDED, "--fabric", "structural", "-o", design)
    fields = measure(design, list(names) or ["sky130", "asap7"])
    show(output, tables(fields))
    output.result(fields)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(Path(sys.argv[2]), sys.argv[3])))
    else:
        script(main)
