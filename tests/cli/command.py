"""Commands run in a process-like way: arguments in; exit code, stdout and stderr out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from hc1gen.cli import main

VECTORS = Path(__file__).parents[1] / "frontend" / "vectors"
SMALL = VECTORS / "mqa-f16-sharded"
"""Nine thousand weights, 37 characters, no BOS."""
WITH_BOS = VECTORS / "gqa-old-config-f32"
QUICK = ("--context", "16", "--lanes", "4", "--calibration-tokens", "20")
HELLO = ("--prompt", "hello", "--tokens", 12)
SAMPLE = ("--mode", "sample", "--temperature", 0.5, "--seed", 1)
SPOKEN_FIELDS = {
    "tokens", "text", "reason", "prompt_tokens", "context", "mode", "temperature", "seed", "speculation",
    "acceptance_rate", "tokens_per_pass", "outcomes", "proposals",
}  # fmt: skip
"""What golden and sim say alike."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def fields(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        return json.loads(self.stdout)


def hc1gen(*arguments: object) -> Done:
    """Run a command line."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return Done(result.exit_code, result.stdout, result.stderr)


def refused(*arguments: object) -> str:
    """The message of a command that must end with exit code 2 and an error object."""
    done = hc1gen(*arguments, "--json")
    assert done.code == 2, done
    error = done.fields["error"]
    assert set(error) == {"kind", "exit_code", "message"}
    assert error["kind"] in ("input", "usage") and error["exit_code"] == 2
    errors = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors == error["message"].splitlines()
    plain = hc1gen(*arguments)
    assert (plain.code, plain.stdout) == (2, "") and plain.stderr == done.stderr
    return error["message"]


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
