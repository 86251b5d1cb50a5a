"""hc1gen demo: the whole way, from the model that comes with hc1gen to a chip that tells a story."""

from pathlib import Path

import click

from ..backend import bake as backend
from ..backend import tools
from ..errors import CheckFailed
from ..quant.config import NumericConfig
from .bake import OUT, Order, run
from .baked import Baked
from .models import EMBEDDED, Calibration, Checkpoint
from .options import PATH, jobs_option, json_option, tokens_option
from .output import Output
from .sim import simulate
from .talk import request


@click.command()
@click.option("-o", "--out", type=PATH, default=OUT / EMBEDDED.name, show_default=True, help="Folder of the chip.")
@click.option("--prompt", default="Once upon a time", show_default=True, help="Text to continue.")
@tokens_option(default=64)
@jobs_option
@json_option
def demo(out: Path, prompt: str, tokens: int, jobs: int, output: Output) -> int:
    """Bake the model that comes with hc1gen, build its simulator, and let the chip tell a story."""
    tools.simulation_tools()
    config = NumericConfig()
    checkpoint = Checkpoint.load(EMBEDDED)
    plan = checkpoint.plan(config, None, 16, None)
    backend.check_target(out)
    asked = request(output, checkpoint.tokenizer, prompt, tokens, plan.n.context)
    output.heading("1. A language model becomes Verilog")
    calibration = Calibration.read(checkpoint, None, 512, plan.n.context)
    baked = run(output, Order(checkpoint, config, plan, calibration, out))
    output.heading("2. The chip speaks: its own Verilog, simulated clock by clock")
    fields = simulate(output, Baked.load(out), asked, jobs)
    output.result({"bake": baked, "sim": fields, "match": fields["match"], "text": fields["text"]})
    return 0 if fields["match"] else CheckFailed.exit_code
