"""Tiles: the weights of linear nodes as logic, and the registry of the views in which they can be written."""

from .behavioural import BEHAVIOURAL
from .structural import STRUCTURAL
from .tile import Tile, needed_bits
from .view import File, View

VIEWS: dict[str, View] = {view.name: view for view in (BEHAVIOURAL, STRUCTURAL)}
"""Every view, by name. A new one is a file here and a line in this table."""

__all__ = ["VIEWS", "File", "Tile", "View", "needed_bits"]
