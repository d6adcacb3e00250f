"""What a page of this server asks and reports, through our extension of JupyterLab: status and gestures."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psutil
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async
from tornado import web

from lifecycle_app.contract import Signal

from .facts import Observation
from .fullness import FULLNESS, Fullness
from .interactions import SETTING, Interactions
from .keep import KEEPING, REQUESTS, Requests
from .reporter import REPORTER, SETTINGS, Reporter, counts_from
from .settings import ReporterSettings
from .standing import Standing, standing
from .terms import TERMS_SETTING, Terms
from .usage import usage_now

LONGEST_BODY = 1000
"""Bytes of a reported gesture, which is an empty object."""


class PageHandler(APIHandler):  # type: ignore[misc]  # publishes no types
    """What both handlers need: an answer with the status."""

    auth_resource = "cloudjhub"

    async def answer(self) -> None:
        """Answers the status, or 503 while nothing is observed yet."""
        reporter: Reporter | None = self.settings.get(REPORTER)
        reporting: ReporterSettings | None = self.settings.get(SETTINGS)
        if reporter is None or reporting is None:
            raise web.HTTPError(503, "The activity reporter has not started")
        asked: Requests | None = self.settings.get(REQUESTS)
        if asked is not None:
            await asked.refresh()
        seen, terms = await reporter.observe_now(), self.settings[TERMS_SETTING]
        started = started_at(reporter.root)
        expected = standing(as_counted(seen, reporting, terms), terms, started, reporter.last_load)
        sessions = await ensure_async(self.settings["session_manager"].list_sessions())
        shown = status(seen, terms, expected, started, kernel_names(sessions))
        fullness: Fullness | None = self.settings.get(FULLNESS)
        shown["home"] = fullness.told() if fullness else None
        shown["usage"] = usage_now(seen)
        shown["can_ask"] = bool(self.settings.get(KEEPING))
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(shown))


def as_counted(seen: Observation, reporting: ReporterSettings, terms: Terms) -> Observation:
    """The observation with the times from which a timeout counts, by its reports."""

    def counted(at: datetime | None) -> datetime | None:
        period, instance_id = reporting.report_period, reporting.instance_id
        return None if at is None else counts_from(at, period, instance_id, terms.step)

    return replace(seen, last_interaction=counted(seen.last_interaction), last_work=counted(seen.last_work))


class StatusHandler(PageHandler):
    """When this machine is stopped, and what keeps it on."""

    def update_api_activity(self) -> None:
        """An open page asks by itself: that is not activity of the user."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]  # publishes no types
    async def get(self) -> None:
        """The status, as JSON."""
        interactions: Interactions = self.settings[SETTING]
        interactions.gestures.heard()
        await self.answer()


class GestureHandler(PageHandler):
    """A person's gesture in a page, which gets the status for it: so it makes one request a minute, not two."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]  # publishes no types
    async def post(self) -> None:
        """Counts the gesture and answers the status; 413 for a longer body than there is reason for."""
        if len(self.request.body) > LONGEST_BODY:
            raise web.HTTPError(413, "A gesture is reported without details")
        interactions: Interactions = self.settings[SETTING]
        interactions.note(interactions.gestures.made(), Signal.GESTURES)
        await self.answer()


def status(
    seen: Observation, terms: Terms, expected: Standing, started: datetime, notebooks: Mapping[str, str]
) -> dict[str, Any]:
    """What a page is answered; times in seconds since the epoch. `notebooks`: their names by their kernels' ids."""
    kept, until = expected.kept_by, terms.keep_until
    values = {
        name: named(one, notebooks) if isinstance(one, str) else one for name, one in expected.values.items()
    }
    return {
        "now": seen.at.timestamp(),
        "started_at": started.timestamp(),
        "last_used": _seconds(seen.last_interaction),
        "stops_at": _seconds(expected.stops_at),
        "kept_by": {"code": kept, "values": values} if kept else None,
        "keep_until": _seconds(until if until and until > seen.at else None),
        "keep_limit": terms.keep_limit.total_seconds(),
        "budget": budget(terms, expected),
    }


def budget(terms: Terms, expected: Standing) -> dict[str, Any] | None:
    """What a page says of the month's budget; None while there is nothing to say. `ends`: is it why this machine is
    stopped when it is expected to be?
    """
    found = terms.budget
    if found is None:
        return None
    ends = (
        found.stops_at is not None and expected.stops_at is not None and expected.stops_at >= found.stops_at
    )
    return {"message": found.message, "is_over": found.is_over, "ends": ends}


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def named(doing: str, notebooks: Mapping[str, str]) -> str:
    """What goes on, with the notebook's name for the kernel's."""
    found = (name for kernel, name in notebooks.items() if doing.endswith(f"({kernel[:8]}) is busy"))
    name = next(found, None)
    return f"{name} is running" if name else doing


def kernel_names(sessions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The names of the notebooks by the ids of their kernels, of Jupyter Server's sessions."""
    names = {}
    for one in sessions:
        kernel, name = one.get("kernel") or {}, str(one.get("path") or "").rpartition("/")[2]
        if kernel.get("id") and name:
            names[str(kernel["id"])] = name
    return names


def started_at(pid: int) -> datetime:
    """When a process of this machine was started: the one below which all of the user's are, soon after the machine."""
    return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)
