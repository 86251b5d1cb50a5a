"""What a model costs as a chip, as JSON fields and for people."""

from dataclasses import asdict
from typing import Any

from ..api import Costs

COLUMNS = ("matrices", "tiles", "rows", "columns", "weights", "zero weights", "full adders", "accumulator bits")
SUMS = ("weights", "zero_weights", "full_adders", "accumulator_flip_flops")


def cost_fields(costs: Costs) -> dict[str, Any]:
    """JSON fields: the shape of a model on a chip and what it takes."""
    clocks = costs.clocks_per_token._asdict()
    return {**{name: getattr(costs, name) for name in SUMS}, **asdict(costs), "clocks_per_token": clocks}


def token_fact(cost: dict[str, Any]) -> str:
    """The clocks of a token, for people."""
    token = cost["clocks_per_token"]
    return f"{token['clocks']:,} at position {token['position']}, greedy, without speculation"


def table_rows(cost: dict[str, Any]) -> list[list[object]]:
    """Rows under COLUMNS, the sum last."""
    rows = [list(kind.values()) for kind in cost["kinds"]]
    return [*rows, ["all", sum(kind["tiles"] for kind in cost["kinds"]), "", "", *(cost[name] for name in SUMS)]]
