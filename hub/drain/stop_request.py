"""Asks the lifecycle app for a stop. The hub itself cannot stop anything."""

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hub.errors import CloudBusy, CloudRefused, StopNotSent
from hub.spawn.batching import Calls

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

log = logging.getLogger(__name__)

SOURCE = "cloudjhub.hub"
DETAIL_TYPE = "Stop Requested"


def stop_entry(
    cluster: str,
    worker: str,
    instance_id: str,
    requested_by: str,
    now: datetime,
    *,
    unless_used: bool = False,
) -> dict[str, Any]:
    """The PutEvents entry that asks for a stop; `unless_used`: not if its user has a server there by then."""
    detail: dict[str, Any] = {
        "cluster": cluster,
        "worker": worker,
        "instance_id": instance_id,
        "requested_at": now.timestamp(),
        "requested_by": requested_by,
    }
    if unless_used:
        detail["unless_used"] = True
    return {"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}


class StopRequests:
    """Puts stop requests on the account's default event bus."""

    def __init__(self, events: "EventBridgeClient", calls: Calls, cluster: str) -> None:
        self._events = events
        self._calls = calls
        self._cluster = cluster

    async def send(self, worker: str, instance_id: str, requested_by: str, now: datetime) -> None:
        """Asks for a stop of this instance. Raises StopNotSent."""
        entry: Any = stop_entry(self._cluster, worker, instance_id, requested_by, now)
        try:
            answer = await self._calls.call("PutEvents", lambda: self._events.put_events(Entries=[entry]))
        except (ClientError, CloudBusy, CloudRefused) as error:
            raise StopNotSent(
                f"{worker}: the stop of {instance_id} could not be asked for: {error}"
            ) from error
        if answer["FailedEntryCount"]:
            raise StopNotSent(f"{worker}: the stop of {instance_id} was not accepted: {answer['Entries']}")
        log.info("%s: %s asked for a stop of %s", worker, requested_by, instance_id)
