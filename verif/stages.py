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

from hc1gen.rtl import clocks
from hc1gen.rtl.clocks import POSITION
from hc1gen.rtl.transformer import Transformer

FIRST, HALF, LAST = 0.0, 0.5, 1.0
"""How much of a stream's transfers: none but the first, half of them (a vector comes for the first time), all."""
OUTPUTS = {
    "embedding": ("target.embedding_y", FIRST),
    "residual in": ("target.embedding_y", LAST),
    "norm": ("target.layer0.norm_y0", FIRST),
    "QKV planes": ("target.layer0.norm_y0", LAST),
    "QKV CMVM": ("target.layer0.qkv_cmvm_y", LAST),
    "QKV requantise": ("target.layer0.requant_y0", LAST),
    "RoPE": ("target.layer0.rope_y", LAST),
    "context exponent": ("target.layer0.out_quantize_y", FIRST),
    "context planes": ("target.layer0.out_quantize_y", LAST),
    "out CMVM, requantise and add": ("target.layer0.requant_y1", HALF),
    "MLP norm": ("target.layer0.norm_y1", FIRST),
    "gate/up CMVM": ("target.layer0.gate_up_cmvm_y", HALF),
    "gate/up requantise": ("target.layer0.requant_y2", HALF),
    "SwiGLU": ("target.layer0.swiglu_y", HALF),
    "hidden exponent": ("target.layer0.down_quantize_y", FIRST),
    "hidden planes": ("target.layer0.down_quantize_y", LAST),
    "down CMVM, requantise and add": ("target.layer0_y", LAST),
    "final norm": ("target.head_norm_y0", FIRST),
    "head planes": ("target.head_norm_y0", LAST),
    "head CMVM": ("target.head_cmvm_y", LAST),
    "head requantise": ("target.logits", LAST),
    "sequencer": ("out", LAST),
}
"""Stage → the stream that it puts out, and how much of its transfers have happened when the stage ends."""


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
    ends = outputs(design)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "transfers.json"
        case = {
            "position": position,
            "vocab": design.model.model.vocab,
            "token_bits": design.plan.token_bits,
            "streams": [stream for stream, _ in ends.values()],
            "constants": {"limit": 2, "temperature": 0, "seed": 0, **({"speculate": 0} if design.ahead else {})},
            "answer": str(answer),
        }
        simulate("chip", design.sources, "chip", "chip.bench_stages", case=case, vlt_lines=VISIBLE)
        transfers = json.loads(answer.read_text())
    issue = end = transfers["issue"][0]
    stages = []
    for part, (name, stated) in stated_stages(design.target, position):
        stream, share = ends[name]
        cycles, before = transfers[stream], end
        end = cycles[max(math.ceil(share * len(cycles)), 1) - 1]
        stages.append(Stage(part, name, end - before, stated, cycles[0] - issue, cycles[-1] - issue, len(cycles)))
    return stages


def outputs(design: Design) -> dict[str, tuple[str, float]]:
    """OUTPUTS, and what depends on the chip. Attention of one word per position gives a vector twice, and so do planes
    of gate and up in several parts."""
    contexts = HALF if design.plan.kv_words == 1 else LAST
    planes = HALF if design.target.kinds["gate_up"].parts > 1 else LAST
    return OUTPUTS | {
        "attention": ("target.layer0.attention_y", contexts),
        "gate/up planes": ("target.layer0.norm_y1", planes),
        "sampler": ("verifier_y" if design.ahead else "sampler_y", LAST),
        **{f"layer {i}": (f"target.layer{i}_y", LAST) for i in range(1, design.model.model.layers)},
    }


def stated_stages(target: Transformer, position: int) -> list[tuple[str, clocks.Stage]]:
    """The stages of a token with the part of the chip that each is in, layer 0 stage by stage."""
    first, entrance, layer, *rest = clocks.logits(target, position)
    layers = rest[: target.plan.n.model.layers - 1]
    head = rest[len(layers) :] + clocks.greedy_choice(target)
    detail = clocks.layer(target, position)
    assert layer.clocks == clocks.total(detail)
    parts = {"embedding": [first], "layer 0": [entrance, *detail], "layers": layers, "head": head}
    return [(part, stage) for part, stages in parts.items() for stage in stages]


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
