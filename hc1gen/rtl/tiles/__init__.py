"""Tiles, the weights of linear nodes as logic, and the list of views in which they can be written."""

from .behavioural import BEHAVIOURAL
from .structural import STRUCTURAL
from .tile import Tile, needed_bits
from .view import File, View

VIEWS: dict[str, View] = {view.name: view for view in (BEHAVIOURAL, STRUCTURAL)}
"""Name → view. A new view is a file in this folder and an entry in this table."""

__all__ = ["VIEWS", "File", "Tile", "View", "needed_bits"]
