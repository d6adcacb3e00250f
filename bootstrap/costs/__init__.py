"""What a cluster costs a month: each item with its formula, pure functions of the settings."""

from bootstrap.costs.assumptions import Assumptions
from bootstrap.costs.model import Item, monthly, total
from bootstrap.costs.prices import Prices
from bootstrap.costs.rendering import as_json, render

__all__ = ["Assumptions", "Item", "Prices", "as_json", "monthly", "render", "total"]
