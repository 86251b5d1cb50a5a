"""What commands print: results on stdout, progress and notes on stderr, with --json one object on stdout."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.style import Style
from rich.table import Table

WIDTH = 120
"""Columns of a table that goes to a file."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # for the program to handle, as everywhere


class Step(Protocol):
    """Tells a progress bar what is being done, how much is done, and of how much if that has changed."""

    def __call__(self, detail: str, done: int, total: int | None = None) -> None: ...


class Output:
    """Where a command's words go. `as_json`: only `result` reaches stdout."""

    def __init__(self, as_json: bool):
        self.as_json = as_json
        self._out = _Console(highlight=False)
        self._err = _Console(stderr=True, highlight=False)
        if not self._out.is_terminal:
            self._out.width = WIDTH

    def result(self, fields: dict[str, Any]) -> None:
        """The command's result, for --json."""
        if self.as_json:
            click.echo(json.dumps(fields))

    @property
    def draws(self) -> bool:
        """Whether progress is shown as bars."""
        return self._err.is_terminal

    @property
    def styled(self) -> bool:
        """Whether text can have a style: on a terminal that shows more than plain text."""
        return not self.as_json and self._out.color_system is not None

    def text(self, piece: str, style: str = "") -> None:
        """Generated text, at once; `style` (of rich) where text can have one, its colours where they are wanted."""
        if self.as_json or not piece:
            return
        if self.styled:
            look = Style.parse(style)
            piece = (look.without_color if self._out.no_color else look).render(piece)
        click.echo(piece, nl=False, color=self.styled)

    def line(self, text: str = "") -> None:
        """A line of a result for people."""
        if not self.as_json:
            click.echo(text)

    def heading(self, text: str) -> None:
        """A rule across the terminal."""
        if not self.as_json:
            self._out.rule(f"[bold]{text}", align="left")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Rows under columns; columns of numbers are set to the right."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left")
        for index, name in enumerate(columns):
            numeric = any(isinstance(row[index], int | float) for row in rows)
            table.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(number(value) for value in row))
        self._out.print(table, markup=False)

    def facts(self, pairs: dict[str, object]) -> None:
        """Names and values, one a line."""
        width = max(map(len, pairs))
        for name, value in pairs.items():
            self.line(f"{name:<{width}}  {number(value)}")

    def note(self, text: str) -> None:
        """Something the user should know, on stderr; above a bar if there is one."""
        if self.draws:
            self._err.print(f"note: {text}", markup=False, soft_wrap=True)
        else:
            click.echo(f"note: {text}", err=True)

    def stages(self) -> "Stages":
        """For a step that tells its progress: as a context manager a function to be called with it."""
        return Stages(self)

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Step]:
        """A bar on stderr (a spinner without `total`); call with what is being done, how much is done, and of how much.

        Where stderr is no terminal, one line at the start is all.
        """
        if not self.draws:
            click.echo(f"{what} ...", err=True)
            yield lambda detail, done, total=None: None
            return
        count = [MofNCompleteColumn()] if total else []
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), *count)
        with Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[detail]}", markup=False),
                      console=self._err) as progress:  # fmt: skip
            task = progress.add_task(what, total=total, detail="")
            yield lambda detail, done, total=None: progress.update(task, detail=detail, completed=done, total=total)
            last = progress.tasks[0].total or 1
            progress.update(task, detail="", total=last, completed=last)


class Stages:
    """A `Progress` that draws a bar for each stage, one after another."""

    def __init__(self, output: Output):
        self._output, self._bars = output, ExitStack()
        self._stage = ""
        self._bar: Step = _no_bar

    def __enter__(self) -> "Stages":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.__exit__(kind, error, at)

    def __call__(self, stage: str, done: int, total: int | None = None, detail: str = "") -> None:
        if stage != self._stage:
            self._bars.close()
            self._stage, self._bar = stage, self._bars.enter_context(self._output.progress(stage, total))
        self._bar(detail, done, total)


def _no_bar(detail: str, done: int, total: int | None = None) -> None:
    """Before the first stage."""


def number(value: object) -> str:
    """A value as people read it: 262,144, 0.123, text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"
