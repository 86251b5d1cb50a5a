"""The command line: `hc1gen COMMAND --help`; docs/cli.md has every command and every JSON field."""

import os

# The matrices of a token are small: threads cost more than they give. Has to stand before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click

from .. import __version__
from .bake import bake
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate
from .golden import golden
from .inspection import inspect
from .program import Program
from .quantize import quantize
from .sim import sim
from .synth import synth
from .train import train
from .verify import verify


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(__version__, prog_name="hc1gen")
def main(debug: bool) -> None:
    """Turn a trained Llama checkpoint into a chip, and let it speak.

    Exit codes: 0 ok, 1 a check failed, 2 bad input, 3 a tool is missing, 130 interrupted.
    """


for command in (bake, inspect, golden, sim, synth, verify, evaluate, quantize, train, doctor, demo):
    main.add_command(command)
