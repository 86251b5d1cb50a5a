"""Where the clocks of one token go: `python verif/stages.py RTL_DIR [--json]` decodes one token on a baked chip.

The chip is the testbench's own build of it. A stage ends with the last transfer on its output stream (an exponent is
found when the first bit-plane leaves), so that the stages of a layer add up to its latency, from its first beat in to
its last beat out.
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

POSITION = 64
FIRST, HALF, LAST = 0.0, 0.5, 1.0
"""How much of a stream's transfers: none but the first, half of them, all."""
LAYER = [
    ("residual in", "target.embedding_y", LAST),
    ("norm", "target.layer0.norm_y0", FIRST),
    ("QKV planes", "target.layer0.norm_y0", LAST),
    ("QKV CMVM", "target.layer0.qkv_cmvm_y", LAST),
    ("QKV requantise", "target.layer0.requant_y0", LAST),
    ("RoPE", "target.layer0.rope_y", LAST),
    ("attention", "target.layer0.attention_y", LAST),
    ("context exponent", "target.layer0.out_quantize_y", FIRST),
    ("context planes", "target.layer0.out_quantize_y", LAST),
    ("out CMVM", "target.layer0.out_cmvm_y", LAST),
    ("out requantise", "target.layer0.requant_y1", HALF),
    ("MLP norm", "target.layer0.norm_y1", FIRST),
    ("gate/up planes", "target.layer0.norm_y1", LAST),
    ("gate/up CMVM", "target.layer0.gate_up_cmvm_y", LAST),
    ("gate/up requantise", "target.layer0.requant_y2", LAST),
    ("SwiGLU", "target.layer0.swiglu_y", LAST),
    ("hidden exponent", "target.layer0.down_quantize_y", FIRST),
    ("hidden planes", "target.layer0.down_quantize_y", LAST),
    ("down CMVM", "target.layer0.down_cmvm_y", LAST),
    ("down requantise and add", "target.layer0_y", LAST),
]
"""Stages of a layer: name, the stream that the stage puts out, and which of its transfers ends the stage."""
HEAD = [
    ("final norm", "target.head_norm_y0", FIRST),
    ("head planes", "target.head_norm_y0", LAST),
    ("head CMVM", "target.head_cmvm_y", LAST),
    ("head requantise", "target.logits", LAST),
]


@dataclass(frozen=True)
class Stage:
    """A stage: clocks it adds, and its output's transfers, counted from the token's issue."""

    part: str
    name: str
    clocks: int
    first: int
    last: int
    transfers: int


def measure(rtl_dir: Path, position: int = POSITION) -> list[Stage]:
    """Decode the token at `position` on the chip in `rtl_dir`; its stages in order, adding up to its latency."""
    design = Design(rtl_dir.resolve())
    rest = [(f"layer {i}", f"target.layer{i}_y", LAST) for i in range(1, design.model.model.layers)]
    head = [*HEAD, ("sampler", "verifier_y" if design.ahead else "sampler_y", LAST), ("sequencer", "out", LAST)]
    parts = [("embedding", LAYER[:0]), ("layer 0", LAYER), ("layers", rest), ("head", head)]
    chain = [(part, *stage) for part, stages in parts for stage in stages]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "transfers.json"
        case = {
            "position": position,
            "vocab": design.model.model.vocab,
            "token_bits": design.plan.token_bits,
            "ahead": design.ahead,
            "streams": [stream for _, _, stream, _ in chain],
            "constants": {"limit": 2, "temperature": 0, "seed": 0, **({"speculate": 0} if design.ahead else {})},
            "answer": str(answer),
        }
        simulate("chip", design.sources, "chip", "chip.bench_stages", case=case, vlt_lines=VISIBLE)
        transfers = json.loads(answer.read_text())
    return _stages(chain, transfers)


def _stages(chain: list[tuple[str, str, str, float]], transfers: dict[str, list[int]]) -> list[Stage]:
    """Clocks from one stage's end to the next one's; the first beat into layer 0 ends the embedding."""
    issue = transfers["issue"][0]
    end = transfers["target.embedding_y"][0]
    stages = [Stage("embedding", "embedding", end - issue, 0, end - issue, 1)]
    for part, name, stream, edge in chain:
        cycles = transfers[stream]
        ends = cycles[max(math.ceil(edge * len(cycles)), 1) - 1]
        stages.append(Stage(part, name, ends - end, cycles[0] - issue, cycles[-1] - issue, len(cycles)))
        end = ends
    return stages


def table(stages: list[Stage], position: int) -> Table:
    """The stages as a table, layer 0 with its share."""
    latency = sum(stage.clocks for stage in stages if stage.part == "layer 0")
    shown = Table(title=f"clocks of one token at position {position}: layer 0 takes {latency}")
    for column in ("part", "stage", "clocks", "of the layer", "output from", "to", "transfers"):
        shown.add_column(column, justify="left" if column in ("part", "stage") else "right")
    for s in stages:
        share = f"{100 * s.clocks / latency:.1f} %" if s.part == "layer 0" else ""
        shown.add_row(s.part, s.name, str(s.clocks), share, str(s.first), str(s.last), str(s.transfers))
    shown.add_section()
    shown.add_row("", "from issue to out", str(sum(s.clocks for s in stages)))
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
