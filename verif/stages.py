"""Where the clocks of one token go: `python verif/stages.py RTL_DIR [--json]` decodes one token on a baked chip.

The chip is the testbench's own build of it. The stages are those of `hc1gen.rtl.clocks`, which adds up what the blocks
state; here each is measured. A stage ends with a transfer on its output stream, so that the stages of a layer add up to
its latency, from its first beat in to its last beat out.
"""

import json
import math
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import click
from bench.runner import simulate
from chip.conversations import VISIBLE
from designs import Design
from rich.console import Console
from rich.table import Table

from hc1gen.rtl.clocks import POSITION, greedy_choice, stage_steps
from hc1gen.rtl.residual import ENTRANCE
from hc1gen.rtl.timing import Step, total


@dataclass(frozen=True)
class Stage:
    """A stage: clocks it adds, what the blocks state, and its output's transfers, counted from the token's issue."""

    part: str
    name: str
    clocks: int
    stated: int
    first: int
    last: int
    transfers: int


def measure(rtl_dir: Path, position: int = POSITION) -> list[Stage]:
    """Decode the token at `position` on the chip in `rtl_dir`; its stages in order, adding up to its latency."""
    design = Design(rtl_dir.resolve())
    chain = stated_steps(design, position)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "transfers.json"
        case = {
            "position": position,
            "vocab": design.model.model.vocab,
            "token_bits": design.plan.token_bits,
            "ahead": design.ahead,
            "streams": [stream for _, _, stream in chain],
            "constants": {"limit": 2, "temperature": 0, "seed": 0, **({"speculate": 0} if design.ahead else {})},
            "answer": str(answer),
        }
        simulate("chip", design.sources, "chip", "chip.bench_stages", case=case, vlt_lines=VISIBLE)
        transfers = json.loads(answer.read_text())
    issue = end = transfers["issue"][0]
    stages = []
    for part, step, stream in chain:
        cycles, before = transfers[stream], end
        end = cycles[max(math.ceil(step.share * len(cycles)), 1) - 1]
        first, last = cycles[0] - issue, cycles[-1] - issue
        stages.append(Stage(part, step.name, end - before, step.clocks, first, last, len(cycles)))
    return stages


def stated_steps(design: Design, position: int) -> list[tuple[str, Step, str]]:
    """The steps of a token: the part of the chip that each is in, and the stream on which it ends. The first stage that
    is a module stands for all of its kind."""
    target = design.target
    found: list[tuple[str, Step, str]] = []
    modules = [stage for stage in target.network.stages if stage.purpose is not None]
    for stage in target.network.stages:
        steps = joined(stage_steps(target, stage, position))
        if stage.purpose is None:
            found += [(stage.kind, step, f"target.{step.net}") for step in steps]
        elif stage is modules[0]:
            found += [(f"{stage.kind} 0", step, _inside(stage.name, step)) for step in steps]
        else:
            whole = total(step for step in steps if step.name != ENTRANCE)
            found.append((f"{stage.kind}s", Step(stage.name, whole), f"target.{stage.name}_y"))
    part, last, _ = found.pop()
    found.append((part, last, "target.logits"))
    choosers = "verifier_y" if design.ahead else "sampler_y", "out"
    return found + [(part, *pair) for pair in zip(greedy_choice(target), choosers, strict=True)]


def joined(steps: list[Step]) -> list[Step]:
    """Steps that can only be measured together with the step behind them, as one with it."""
    found, names, clocks = [], [], 0
    for step in steps:
        names.append(step.name)
        clocks += step.clocks
        if step.net or step.name == ENTRANCE:
            found.append(step._replace(name=", ".join(names), clocks=clocks))
            names, clocks = [], 0
    return found


def _inside(stage: str, step: Step) -> str:
    """The stream on which a step inside a stage ends: its input, its output, or a net in it."""
    if step.name == ENTRANCE:
        return "target.embedding_y"
    return f"target.{stage}_y" if step.net == "y" else f"target.{stage}.{step.net}"


def table(stages: list[Stage], position: int) -> Table:
    """The stages as a table, layer 0 with its share."""
    latency = sum(stage.clocks for stage in stages if stage.part == "layer 0")
    shown = Table(title=f"clocks of one token at position {position}: layer 0 takes {latency}")
    for column in ("part", "stage", "clocks", "stated", "of the layer", "output from", "to", "transfers"):
        shown.add_column(column, justify="left" if column in ("part", "stage") else "right")
    for s in stages:
        share = f"{100 * s.clocks / latency:.1f} %" if s.part == "layer 0" else ""
        figures = s.clocks, s.stated, share, s.first, s.last, s.transfers
        shown.add_row(s.part, s.name, *map(str, figures))
    shown.add_section()
    shown.add_row("", "from issue to out", str(sum(s.clocks for s in stages)), str(sum(s.stated for s in stages)))
    return shown


@click.command()
@click.argument("rtl_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--position", default=POSITION, show_default=True, help="Position of the token that is decoded.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def main(rtl_dir: Path, position: int, as_json: bool) -> None:
    """Show where the clocks of one token go on the chip in RTL_DIR."""
    stages = measure(rtl_dir, position)
    if as_json:
        print(json.dumps({"position": position, "stages": [asdict(stage) for stage in stages]}, indent=1))
    else:
        Console().print(table(stages, position))


if __name__ == "__main__":
    main()
