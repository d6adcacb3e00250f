"""Runs ministack with one thing mended: an event keeps the time that its sender gave it, as EventBridge has it.

ministack puts the time of arrival in its place, which makes an event that comes late look new: handlers that order
events by their own time would be tested by nothing. A script, run by ministack's own Python, which has no other
package of ours.
"""

from typing import Any

from ministack import app  # type: ignore[import-not-found]  # lives in an environment of its own
from ministack.services import eventbridge  # type: ignore[import-not-found]


class TimedSource(str):
    """An event's source, which carries the event's time through ministack's own code."""

    __slots__ = ("at",)
    at: int


def keep_times() -> None:
    """Patch ministack's PutEvents and its delivery."""
    put_events, dispatch = eventbridge._put_events, eventbridge._dispatch_event

    def put_timed_events(data: dict[str, Any]) -> Any:
        for entry in data.get("Entries", []):
            if "Time" in entry:
                source = TimedSource(entry.get("Source", ""))
                source.at = int(entry["Time"])
                entry["Source"] = source
        return put_events(data)

    def dispatch_timed(event: dict[str, Any], view: Any = None) -> Any:
        if isinstance(event.get("Source"), TimedSource):
            event["Time"] = event["Source"].at
            view = None  # made from the time of arrival
        return dispatch(event, view)

    eventbridge._put_events = put_timed_events
    eventbridge._dispatch_event = dispatch_timed


if __name__ == "__main__":
    keep_times()
    app.main()
