"""What a cluster costs a month: each item with its formula, pure functions of the settings.

What users' machines have cost so far is in the history and belongs in `bootstrap.operations.report`.
"""

from bootstrap.costs.model import Item, Load, monthly, total
from bootstrap.costs.prices import Assumptions, Prices, prices_in
from bootstrap.costs.tables import as_json, render

__all__ = ["Assumptions", "Item", "Load", "Prices", "as_json", "monthly", "prices_in", "render", "total"]
