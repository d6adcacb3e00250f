"""What a cluster costs a month: each item with its formula, pure functions of the settings.

What users' machines have cost so far is in the history and does not belong here.
"""

from bootstrap.costs.model import Item, monthly, total
from bootstrap.costs.prices import Assumptions, Prices
from bootstrap.costs.tables import as_json, render

__all__ = ["Assumptions", "Item", "Prices", "as_json", "monthly", "render", "total"]
