"""--set: widths of the numeric config."""

import difflib
from collections.abc import Sequence
from dataclasses import fields

import click

from ..errors import InputError
from ..numeric.config import NumericConfig

set_option = click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="A width of the numeric config."
)


def numeric_config(settings: Sequence[str]) -> NumericConfig:
    """The default config with FIELD=VALUE settings; InputError with every wrong one."""
    names = [f.name for f in fields(NumericConfig)]
    values, problems = {}, []
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            values[name] = int(text)
        except ValueError:
            problems.append(f"{setting}: expected FIELD=VALUE with a whole number")
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            problems.append(f"unknown field {name}; {hint}")
    if problems:
        raise InputError("--set", problems)
    config = NumericConfig(**values)
    config.verify()
    return config
