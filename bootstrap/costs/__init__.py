"""What a cluster costs a month: each item with its formula, pure functions of the settings.

What users' machines have cost so far is in the history and belongs in `bootstrap.operations.report`.
"""

from bootstrap.costs.advice import Advice, advice, expected_advice
from bootstrap.costs.case import Item, Load
from bootstrap.costs.model import monthly, total
from bootstrap.costs.prices import Assumptions, Prices, prices_in
from bootstrap.costs.tables import as_json, compared_egress, render, render_advice, render_total

__all__ = [
    "Advice",
    "Assumptions",
    "Item",
    "Load",
    "Prices",
    "advice",
    "as_json",
    "compared_egress",
    "expected_advice",
    "monthly",
    "prices_in",
    "render",
    "render_advice",
    "render_total",
    "total",
]
