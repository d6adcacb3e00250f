"""The DynamoDB tables as PynamoDB models. Nothing but `store` imports them."""

from __future__ import annotations

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
from pynamodb.constants import NUMBER
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

COSTS = "yes"
M = TypeVar("M", bound=Model)


class InstantAttribute(Attribute[datetime]):
    """An aware UTC datetime, kept as epoch seconds with microseconds."""

    attr_type = NUMBER

    def serialize(self, value: datetime) -> str:
        if value.tzinfo is None:
            raise ValueError(f"naive time: {value!r}")
        return f"{value.timestamp():.6f}"

    def deserialize(self, value: str) -> datetime:
        return datetime.fromtimestamp(float(value), UTC)


class DueIndex(GlobalSecondaryIndex["WorkerRecord"]):  # type: ignore[no-untyped-call]  # its hook has no types
    """Only workers that cost money, in the order in which they are due."""

    class Meta:
        index_name = "due"
        projection = AllProjection()

    costs = UnicodeAttribute(hash_key=True)
    due_at = InstantAttribute(range_key=True)


class InstanceIndex(GlobalSecondaryIndex["WorkerRecord"]):  # type: ignore[no-untyped-call]  # its hook has no types
    """Workers by instance."""

    class Meta:
        index_name = "instance"
        projection = AllProjection()

    instance_id = UnicodeAttribute(hash_key=True)


class ChangedIndex(GlobalSecondaryIndex["WorkerRecord"]):  # type: ignore[no-untyped-call]  # its hook has no types
    """All workers, in the order in which they changed."""

    class Meta:
        index_name = "changed"
        projection = AllProjection()

    cluster = UnicodeAttribute(hash_key=True)
    changed_at = InstantAttribute(range_key=True)


class WorkerRecord(Model):
    """The attributes of `worker.Worker`, and those that the indexes need."""

    worker = UnicodeAttribute(hash_key=True)
    cluster = UnicodeAttribute()
    costs = UnicodeAttribute(null=True)
    instance_id = UnicodeAttribute()
    state = UnicodeAttribute()
    state_at = InstantAttribute()
    version = NumberAttribute()
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
    stop_reason = UnicodeAttribute(null=True)
    decided = UnicodeAttribute(null=True)
    hub_odd_since = InstantAttribute(null=True)
    keep_until = InstantAttribute(null=True)
    seconds_run = NumberAttribute(default=0)
    groups = ListAttribute[Any](default=list)
    due = DueIndex()
    instance = InstanceIndex()
    changed = ChangedIndex()


class DayIndex(GlobalSecondaryIndex["HistoryRecord"]):  # type: ignore[no-untyped-call]  # its hook has no types
    """What happened on one day."""

    class Meta:
        index_name = "day"
        projection = AllProjection()

    day = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)


class HistoryRecord(Model):
    """One thing that was decided or happened."""

    worker = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)
    day = UnicodeAttribute()
    kind = UnicodeAttribute()
    reason = UnicodeAttribute()
    words = UnicodeAttribute()
    instance_id = UnicodeAttribute()
    evidence = JSONAttribute(null=True)
    seconds = NumberAttribute(null=True)
    cost = NumberAttribute(null=True)
    expires_at = NumberAttribute()
    days = DayIndex()


class SettingRecord(Model):
    """What the operator sets: the policy fields of the cluster, a group or a user; the users; the workers' image."""

    scope = UnicodeAttribute(hash_key=True)
    policy = UnicodeAttribute(null=True)
    users = UnicodeAttribute(null=True)
    image = UnicodeAttribute(null=True)
    version = NumberAttribute(null=True)


def bound(model: type[M], cluster: str, table: str, region: str | None = None) -> type[M]:
    """The model on a cluster's own table; endpoint and, unless it is named, region are those of the environment."""
    where = {"region": region} if region else {}
    meta = type("Meta", (), {"table_name": f"cloudjhub-{cluster}-{table}", **where})
    named = new_class(model.__name__, (model,), exec_body=lambda body: body.update(Meta=meta))
    return cast(type[M], named)
