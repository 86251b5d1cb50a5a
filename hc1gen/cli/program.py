"""The outermost layer: every way in which a command can end, as a message and an exit code."""

import io
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click
from amaranth.hdl import UnusedElaboratable

from ..errors import CheckFailed, Hc1genError, InputError, ToolMissing

USAGE, INTERNAL, INTERRUPTED, BROKEN_PIPE, TERMINATED = 2, 1, 130, 141, 143
ARGUMENTS = ("prompt", "draft", "ahead", "liberty")
"""Arguments of the API that are wrong by themselves, and that options of the same name stand for."""
KINDS = {InputError: "input", ToolMissing: "tool", CheckFailed: "check"}


class Program(click.Group):
    """The group of all commands: errors become one message on stderr, and with --json one object on stdout."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> NoReturn:
        """Run the command line `args` (default: the process's) and exit."""
        arguments = list(sys.argv[1:] if args is None else args)
        _prepare_process()
        sys.exit(self._run(arguments))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_stdout()
            ctx.exit(BROKEN_PIPE)
        return result

    def _run(self, arguments: list[str]) -> int:
        as_json = "--json" in arguments
        try:
            code = super().main(arguments, prog_name="hc1gen", standalone_mode=False)
            return code if isinstance(code, int) else 0
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return USAGE
        except click.Abort:
            return _fail("interrupted", ["interrupted"], INTERRUPTED, as_json)
        except Exception as error:
            if "--debug" in arguments:
                raise
            return _report(error, as_json)


def _report(error: Exception, as_json: bool) -> int:
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = [f"see {context.command_path} --help"] if context else []
        return _fail("usage", ["; ".join([error.format_message().rstrip("."), *hint])], USAGE, as_json)
    if isinstance(error, InputError) and error.where in ARGUMENTS:
        error = InputError(f"--{error.where}", error.problems)
    if isinstance(error, Hc1genError):
        kind = next((name for family, name in KINDS.items() if isinstance(error, family)), "error")
        return _fail(kind, str(error).splitlines(), error.exit_code, as_json)
    if isinstance(error, OSError):
        return _fail("input", [str(error)], InputError.exit_code, as_json)
    text = f"internal error: {type(error).__name__}: {error}; hc1gen --debug shows where, please report it"
    return _fail("internal", [text], INTERNAL, as_json)


def _fail(kind: str, lines: list[str], code: int, as_json: bool) -> int:
    for line in lines:
        click.echo(f"error: {line}", err=True)
    if as_json:
        with suppress(BrokenPipeError):
            click.echo(json.dumps({"error": {"kind": kind, "exit_code": code, "message": "\n".join(lines)}}))
    return code


def _prepare_process() -> None:
    """Unprintable characters never end a command; SIGTERM ends it like an exception, so that nothing stays behind.

    Amaranth is not to complain about blocks that an interrupted bake has left unused, or that were only asked how long
    they take.
    """
    warnings.simplefilter("ignore", UnusedElaboratable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))


def _drop_stdout() -> None:
    """Nobody reads any more: what is still buffered goes nowhere."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
