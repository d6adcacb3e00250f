"""Stop requests: an event, and an error if it is not accepted."""

import json
from typing import Any

import pytest

from hub.clients.lifecycle import StopRequests, stop_entry
from hub.errors import StopNotSent
from tests.hub.fakes import NOON, calls, refusal


class FakeEvents:
    """Takes events, or does not."""

    def __init__(self, failed: int = 0, error: Exception | None = None) -> None:
        self.entries: list[dict[str, Any]] = []
        self._failed = failed
        self._error = error

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        if self._error:
            raise self._error
        self.entries += Entries
        return {"FailedEntryCount": self._failed, "Entries": [{"ErrorCode": "InternalFailure"}]}


def test_entry_as_a_whole() -> None:
    entry = stop_entry("test", "ada/gpu", "i-1", "boss", NOON)
    assert json.loads(entry.pop("Detail")) == {
        "cluster": "test",
        "worker": "ada/gpu",
        "instance_id": "i-1",
        "requested_at": NOON.timestamp(),
        "requested_by": "boss",
    }
    assert entry == {"Source": "cloudjhub.hub", "DetailType": "Stop Requested"}


async def test_event_is_put() -> None:
    events: Any = FakeEvents()
    await StopRequests(events, calls(), "test").send("ada", "i-1", "ada", NOON)
    assert events.entries == [stop_entry("test", "ada", "i-1", "ada", NOON)]


@pytest.mark.parametrize("events", [FakeEvents(failed=1), FakeEvents(error=refusal("AccessDenied"))])
async def test_event_that_is_not_accepted_is_an_error(events: Any) -> None:
    with pytest.raises(StopNotSent, match="ada"):
        await StopRequests(events, calls(), "test").send("ada", "i-1", "ada", NOON)
