"""The DynamoDB tables as PynamoDB models, and its errors as ours. Only the stores import them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import new_class
from typing import Any, TypeVar, cast

from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.constants import NULL, NUMBER, STRING
from pynamodb.exceptions import AttributeDeserializationError, PynamoDBException
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from lifecycle_app.concurrency import AT_ONCE
from lifecycle_app.contract import table_name
from lifecycle_app.errors import BadRecord, NoTable, RecordConflict, StoreUnavailable
from lifecycle_app.model.worker import State

COSTS = "yes"
M = TypeVar("M", bound=Model)
R = TypeVar("R", bound="Row")

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Later times are wrong, and adding an hour to them may fail."""
HIGHEST = 10**12
"""More than any count of ours: writes, seconds."""
INSTANCE_ID = re.compile(r"i-[0-9a-zA-Z-]{1,64}\Z")
UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)
"""What reading an attribute of the wrong type or value raises."""
LONGEST_GROUP = 1000
"""Characters. With more, its policy could not be read: keys have at most 2048 bytes."""


class InstantAttribute(Attribute[datetime]):
    """An aware UTC datetime, kept as epoch seconds with microseconds."""

    attr_type = NUMBER

    def serialize(self, value: datetime) -> str:
        """Epoch seconds with microseconds. Raises ValueError for a naive time."""
        if value.tzinfo is None:
            raise ValueError(f"naive time: {value!r}")
        return f"{value.timestamp():.6f}"

    def deserialize(self, value: str) -> datetime:
        """The time, in UTC. Raises ValueError for one outside EARLIEST and LATEST."""
        seconds = float(value)
        if not EARLIEST.timestamp() <= seconds < LATEST.timestamp():
            raise ValueError(f"{value[:40]} is not a time between {EARLIEST.year} and {LATEST.year}")
        return datetime.fromtimestamp(seconds, UTC)


class CountAttribute(Attribute[int]):
    """A whole number, not negative."""

    attr_type = NUMBER
    least = 0

    def serialize(self, value: int) -> str:
        return str(value)

    def deserialize(self, value: str) -> int:
        """The count. Raises ValueError below `least`, above HIGHEST, and for fractions."""
        count = float(value)
        if not (self.least <= count <= HIGHEST and count.is_integer()):
            raise ValueError(f"{value[:40]} is not a count")
        return int(count)


class DollarsAttribute(Attribute[float]):
    """An amount in US dollars, not negative."""

    attr_type = NUMBER

    def serialize(self, value: float) -> str:
        return f"{value:.6f}"

    def deserialize(self, value: str) -> float:
        """The amount. Raises ValueError for a negative one, one above HIGHEST, and what is not a number."""
        amount = float(value)
        if not 0 <= amount <= HIGHEST:
            raise ValueError(f"{value[:40]} is not an amount")
        return amount


class VersionAttribute(CountAttribute):
    """How often a record was written: at least once."""

    least = 1


class StateAttribute(Attribute[State]):
    """One of EC2's states."""

    attr_type = STRING

    def serialize(self, value: State) -> str:
        return value.value

    def deserialize(self, value: str) -> State:
        """The state. Raises ValueError with the known ones."""
        if value not in set(State):
            raise ValueError(f"{value[:40]!r} is not one of {', '.join(State)}")
        return State(value)


class InstanceIdAttribute(UnicodeAttribute):
    """An instance's id, such that AWS can be asked for it together with others."""

    def deserialize(self, value: str) -> str:
        """The id. Raises ValueError for what EC2 would refuse a whole call for."""
        if not INSTANCE_ID.match(value):
            raise ValueError(f"{value[:40]!r} is not an instance id")
        return value


class GroupsAttribute(ListAttribute[Any]):
    """Names of groups."""

    def deserialize(self, value: list[Mapping[str, Any]]) -> list[str]:
        """The names. Raises ValueError for an empty or overlong one."""
        if not all(STRING in item and 0 < len(item[STRING]) <= LONGEST_GROUP for item in value):
            raise ValueError("not a list of names")
        return [item[STRING] for item in value]


class SettingAttribute(UnicodeAttribute):
    """A text. Another type is read as a text that says so, and which is neither JSON nor an id."""

    def get_value(self, value: dict[str, Any]) -> str:
        """The text, or what it is instead."""
        return str(value[STRING]) if STRING in value else f"not text but of DynamoDB's type {_type(value)}"


class Row(Model):
    """A record that knows what is wrong with it, so that one that cannot be read does not hide others."""

    problem = ""
    """What cannot be understood of it, attribute by attribute; those attributes are None."""

    @classmethod
    def from_raw_data(cls: type[R], data: dict[str, Any]) -> R:
        """The record. An attribute that is not declared is ignored: a newer version may have written it."""
        problems = {}
        try:
            record = super().from_raw_data(data)
        except UNREADABLE:
            problems = _problems(cls, data)
            record = super().from_raw_data(
                {name: value for name, value in data.items() if name not in problems}
            )
        for attribute in cls.get_attributes().values():
            if not attribute.null and getattr(record, attribute.attr_name) is None:
                problems.setdefault(attribute.attr_name, "is missing")
        record.problem = "; ".join(f"{name} {problem}" for name, problem in sorted(problems.items()))
        return record


def _problems(model: type[Model], data: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for attribute in model.get_attributes().values():
        value = data.get(attribute.attr_name)
        if not value or NULL in value:
            continue
        try:
            attribute.deserialize(attribute.get_value(value))
        except AttributeDeserializationError:
            found[attribute.attr_name] = f"is of DynamoDB's type {_type(value)}, not {attribute.attr_type}"
        except UNREADABLE as error:
            found[attribute.attr_name] = f"is wrong: {error}"
    return found


def _type(value: Mapping[str, Any]) -> str:
    return next(iter(value), "?")


def _index(name: str, **keys: Attribute[Any]) -> Any:
    """A secondary index with all attributes, by its hash key and, if there is a second, its range key."""
    meta = type("Meta", (), {"index_name": name, "projection": AllProjection()})
    return type(f"{name.title()}Index", (GlobalSecondaryIndex,), {"Meta": meta, **keys})()


class WorkerRecord(Row):
    """The attributes of `worker.Worker`, and those that the indexes need."""

    worker = UnicodeAttribute(hash_key=True)
    cluster = UnicodeAttribute()
    costs = UnicodeAttribute(null=True)
    instance_id = InstanceIdAttribute()
    state = StateAttribute()
    state_at = InstantAttribute()
    version = VersionAttribute()
    changed_at = InstantAttribute()
    address = UnicodeAttribute(null=True)
    instance_type = UnicodeAttribute(null=True)
    zone = UnicodeAttribute(null=True)
    home_volume = UnicodeAttribute(null=True)
    home_attached = BooleanAttribute(default=True)
    started_at = InstantAttribute(null=True)
    last_activity = InstantAttribute(null=True)
    last_interaction = InstantAttribute(null=True)
    evidence = UnicodeAttribute(null=True)
    due_at = InstantAttribute(null=True)
    claimed_until = InstantAttribute(null=True)
    removing = BooleanAttribute(default=False)
    stop_reason = UnicodeAttribute(null=True)
    decided = UnicodeAttribute(null=True)
    hub_odd_since = InstantAttribute(null=True)
    keep_until = InstantAttribute(null=True)
    keep_by = UnicodeAttribute(null=True)
    keep_request = UnicodeAttribute(null=True)
    keep_refusal = UnicodeAttribute(null=True)
    seconds_run = CountAttribute(default=0)
    month = UnicodeAttribute(null=True)
    month_seconds = CountAttribute(default=0)
    month_dollars = DollarsAttribute(default=0.0)
    over_budget_since = InstantAttribute(null=True)
    over_budget_of = UnicodeAttribute(null=True)
    groups = GroupsAttribute(default=list)
    due = _index("due", costs=UnicodeAttribute(hash_key=True), due_at=InstantAttribute(range_key=True))
    """Only workers that cost money, in the order in which they are due."""
    instance = _index("instance", instance_id=UnicodeAttribute(hash_key=True))
    changed = _index(
        "changed", cluster=UnicodeAttribute(hash_key=True), changed_at=InstantAttribute(range_key=True)
    )
    """All workers, in the order in which they changed."""


class HistoryRecord(Row):
    """One thing that was decided or happened."""

    worker = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)
    day = UnicodeAttribute()
    kind = UnicodeAttribute()
    reason = UnicodeAttribute()
    words = UnicodeAttribute()
    instance_id = UnicodeAttribute()
    evidence = JSONAttribute(null=True)
    seconds = CountAttribute(null=True)
    cost = NumberAttribute(null=True)
    expires_at = NumberAttribute()
    days = _index("day", day=UnicodeAttribute(hash_key=True), at=UnicodeAttribute(range_key=True))


class SettingRecord(Row):
    """What operators and administrators set: the policy of the cluster, a group or a user, with its changes;
    the users; the workers' image; an announcement; a request to restore a backup.
    """

    scope = UnicodeAttribute(hash_key=True)
    policy = SettingAttribute(null=True)
    changes = SettingAttribute(null=True)
    request = SettingAttribute(null=True)
    refusal = SettingAttribute(null=True)
    users = SettingAttribute(null=True)
    image = SettingAttribute(null=True)
    announcement = SettingAttribute(null=True)
    restore = SettingAttribute(null=True)
    version = NumberAttribute(null=True)


@contextmanager
def available(what: str, key: str = "") -> Iterator[None]:
    """Turns PynamoDB's errors into ours: NoTable, RecordConflict, BadRecord if `key` is written and DynamoDB does not
    take it, and StoreUnavailable for everything else.
    """
    try:
        yield
    except PynamoDBException as error:
        code = error.cause_response_code
        if code == "ConditionalCheckFailedException":
            raise RecordConflict(f"{what} was changed meanwhile") from error
        if key and code == "ValidationException":
            raise BadRecord(key, f"DynamoDB does not take it: {error}") from error
        kind = NoTable if code == "ResourceNotFoundException" else StoreUnavailable
        raise kind(f"{what}: {error}") from error


def bound(model: type[M], cluster: str, table: str, region: str | None = None) -> type[M]:
    """The model on a cluster's own table; endpoint and, unless it is named, region are those of the environment."""
    where = {"region": region} if region else {}
    name = table_name(cluster, table)
    meta = type("Meta", (), {"table_name": name, "max_pool_connections": AT_ONCE, **where})
    named = new_class(model.__name__, (model,), exec_body=lambda body: body.update(Meta=meta))
    return cast(type[M], named)
