"""A month's statement: rows by user, group or day, what all share, and what the reader has to know of it. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import reduce
from typing import Any, assert_never

from bootstrap.costs import Advice, Item
from bootstrap.costs.tables import advice_as_json
from bootstrap.operations import budgets
from bootstrap.operations.report.period import Period
from bootstrap.operations.report.usage import NO_USER, NOTHING, Amount, Cells, spread
from lifecycle_app.model.budget import Standing
from lifecycle_app.model.worker import Worker


class By(StrEnum):
    """What a statement has a row for."""

    USER = "user"
    GROUP = "group"
    DAY = "day"


class Owner(StrEnum):
    """Whose a row is. Only the first three have names."""

    USER = "user"
    GROUP = "group"
    DAY = "day"
    NO_GROUP = "no group"
    NO_USER = "no user"
    SHARED = "shared by all"


@dataclass(frozen=True, slots=True)
class Row:
    """One user, group or day."""

    owner: Owner
    name: str
    """"" where the owner has none."""
    amount: Amount

    @property
    def label(self) -> str:
        """The row's name for people."""
        return self.name or str(self.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a cluster cost."""

    cluster: str
    region: str
    period: Period
    by: By
    rows: Sequence[Row]
    shared: Sequence[Item]
    prices: str
    """The region whose prices it is calculated with; "" where those of the cluster's are not known."""
    whole: float = 0.0
    """US dollars by the formula alone, for `advice`."""
    advice: Sequence[Advice] = ()
    budgets: Mapping[str, Standing] = field(default_factory=dict)
    """By scope, of users, groups and the cluster, in the month that goes on."""
    notes: Sequence[str] = ()
    """What is missing or estimated, a line each."""

    @property
    def total(self) -> Amount:
        """All rows together."""
        return summed(row.amount for row in self.rows)


def summed(amounts: Iterable[Amount]) -> Amount:
    """Their sum."""
    return reduce(Amount.__add__, amounts, NOTHING)


def rows(
    by: By, cells: Cells, groups: Mapping[str, Sequence[str]], shared: float, period: Period
) -> list[Row]:
    """Days in their order; users and groups with the highest cost first, then what belongs to none and what all share.

    A user of several groups is divided among them equally, so that each statement has the same sum.
    """
    match by:
        case By.USER:
            named = _grouped(cells, lambda user: [(_owner(user), user)])
        case By.GROUP:
            named = _grouped(cells, lambda user: _of_groups(user, groups))
        case By.DAY:
            return _days(cells, shared, period)
        case _:
            assert_never(by)
    found = [Row(owner, name, amount) for (owner, name), amount in named.items()]
    last = [Row(Owner.SHARED, "", Amount(shared=shared))] if shared else []
    return sorted(found, key=_order) + last


def groups_of(workers: Iterable[Worker]) -> dict[str, tuple[str, ...]]:
    """Each user's groups, as the newest of the user's records has them."""
    return {one.user: one.groups for one in sorted(workers, key=lambda worker: worker.changed_at)}


def _order(row: Row) -> tuple[bool, bool, float, str]:
    return row.owner is Owner.NO_USER, row.owner is Owner.NO_GROUP, -row.amount.total, row.name


def _owner(user: str) -> Owner:
    return Owner.USER if user != NO_USER else Owner.NO_USER


def _of_groups(user: str, groups: Mapping[str, Sequence[str]]) -> list[tuple[Owner, str]]:
    if user == NO_USER:
        return [(Owner.NO_USER, "")]
    return [(Owner.GROUP, name) for name in groups.get(user, ())] or [(Owner.NO_GROUP, "")]


def _grouped(
    cells: Cells, names: Callable[[str], Sequence[tuple[Owner, str]]]
) -> dict[tuple[Owner, str], Amount]:
    found: dict[tuple[Owner, str], Amount] = {}
    for (user, _), amount in cells.items():
        of_user = names(user)
        for one in of_user:
            found[one] = found.get(one, NOTHING) + amount * (1 / len(of_user))
    return found


def _days(cells: Cells, shared: float, period: Period) -> list[Row]:
    found = dict.fromkeys(period.days(), NOTHING) | spread(shared, period)
    for (_, day), amount in cells.items():
        found[day] += amount
    return [Row(Owner.DAY, day.isoformat(), found[day]) for day in sorted(found)]


def notes(
    period: Period, kept_since: datetime, gone: int, used: Amount, shared: Sequence[Item], unpriced: str
) -> list[str]:
    """What the reader has to know. `kept_since`: older history has expired; `gone`: machines that are not there any
    more; `unpriced`: the region, if its prices are not known.
    """
    found = []
    if period.begin < kept_since:
        found.append(
            f"This month is incomplete: the history goes back to {kept_since:%Y-%m-%d}, and older runs are missing."
        )
    if gone:
        machines = "1 machine that is" if gone == 1 else f"{gone} machines that are"
        found.append(f"Of {machines} gone, the root disk is counted from the first start to the last stop.")
    if unpriced:
        return [*found, f"No prices are known for {unpriced}: hours and GB-months only."]
    if used.unknown_hours:
        found.append(f"Not in the total: {used.unknown_hours:.1f} h of machines whose price is unknown.")
    unknown = [item.name for item in shared if item.dollars is None]
    if unknown:
        found.append(f"Not in the total, because the price is unknown: {', '.join(unknown)}.")
    return found


def as_document(statement: Statement) -> dict[str, Any]:
    """For scripts: US dollars, null where prices are not known; times as ISO 8601."""
    is_priced, period = bool(statement.prices), statement.period
    return {
        "cluster": statement.cluster,
        "region": statement.region,
        "month": period.month.name,
        "from": period.begin.isoformat(),
        "until": period.end.isoformat(),
        "by": str(statement.by),
        "prices": statement.prices or None,
        "rows": [
            {"owner": str(row.owner), "name": row.name or None, **figures(row.amount, is_priced=is_priced)}
            for row in statement.rows
        ],
        "shared": [
            {"name": item.name, "formula": item.formula, "dollars": _rounded(item.dollars)}
            for item in statement.shared
        ],
        "total": figures(statement.total, is_priced=is_priced),
        **_budgets(statement),
        "advice": [advice_as_json(one) for one in statement.advice],
        "notes": list(statement.notes),
    }


def _budgets(statement: Statement) -> dict[str, Any]:
    """Of users by name, and those that users share by scope."""
    found: dict[str, dict[str, Any]] = {"budgets": {}, "shared_budgets": {}}
    for scope, one in statement.budgets.items():
        kind = "shared_budgets" if budgets.is_shared(scope) else "budgets"
        found[kind][budgets.owner(scope)] = budgets.as_document(one)
    return found


def figures(amount: Amount, *, is_priced: bool) -> dict[str, float | None]:
    """What a row has beside its name; dollars to a hundredth of a cent."""
    dollars = {
        "machines": amount.machines,
        "disks": amount.disks,
        "shared": amount.shared,
        "total": amount.total,
    }
    return {
        "hours": round(amount.hours, 4),
        "unknown_hours": round(amount.unknown_hours, 4),
        "gb_months": round(amount.gb_months, 4),
        **{name: _rounded(value if is_priced else None) for name, value in dollars.items()},
    }


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 4)
