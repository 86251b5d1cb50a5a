"""hc1gen demo: the whole way, from the model that comes with hc1gen to a chip that tells a story."""

from pathlib import Path

import click

from ..backend import tools
from ..errors import CheckFailed
from ..numeric.config import NumericConfig
from ..settings import Settings
from .bake import OUT, order, run
from .baked import Baked
from .models import EMBEDDED, EMBEDDED_DRAFT
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
    """Bake the model and the draft that come with hc1gen, build their simulator, and let the chip tell a story."""
    tools.simulation_tools()
    wanted = order(EMBEDDED, EMBEDDED_DRAFT, None, out, None, None, None, None, 512, NumericConfig())
    tokenizer, context = wanted.target.checkpoint.tokenizer, wanted.target.plan.n.context
    asked = request(output, tokenizer, prompt, tokens, context, Settings(speculate=True))
    output.heading("1. A language model and its draft become Verilog")
    baked = run(output, wanted)
    output.heading("2. The chip speaks: its own Verilog, simulated clock by clock")
    fields = simulate(output, Baked.load(out), asked, jobs)
    output.result({"bake": baked, "sim": fields, "match": fields["match"], "text": fields["text"]})
    return 0 if fields["match"] else CheckFailed.exit_code
