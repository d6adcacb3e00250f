"""Web apps that are used are seen in the next report and never stopped; a page left open costs the allowance at most.

The worker's own code watches what pages send, and the decision is the lifecycle app's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

from bootstrap.worker.facts import Facts
from bootstrap.worker.interactions import Interactions, widget_message
from bootstrap.worker.observation import observe
from bootstrap.worker.reporter import metric_data
from bootstrap.worker.traffic import Traffic
from lifecycle_app.contract import METRIC_APP, Level
from lifecycle_app.model.decision import Action, Decision, decide
from lifecycle_app.model.evidence import AppTraffic, Evidence, Report
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State, Worker

from .app_shapes import EXTENSIONS, FORGOTTEN, SHAPES, Event, Shape, open_page, opened, person

BEGIN = datetime(2026, 11, 23, 8, tzinfo=UTC)
PERIOD = timedelta(seconds=30)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOURS = 3600.0
POLICY = Policy()
LEARNING = 20 * MINUTE
"""After it was opened, a page's polls may be taken for a person's acts for so long: until they have been repeated."""


@dataclass
class Machine:
    """A server as the reporter sees it, and the reports of its life so far."""

    now: datetime = BEGIN
    reports: list[Report] = field(default_factory=list)
    apps: list[AppTraffic] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.interactions = Interactions(lambda: self.now)
        self.traffic = Traffic(self.interactions, "/user/ada/")
        application: Any = SimpleNamespace(get_handler_delegate=lambda _, target: target)
        self.traffic.watch(application)
        self.arrives = application.get_handler_delegate
        self.log = self.traffic.logged(lambda _: None)
        self.sockets: dict[str, HTTPServerRequest] = {}
        self.before = self.facts()

    def facts(self) -> Facts:
        return Facts(
            at=self.now,
            root=1,
            server=2,
            last_interaction=self.interactions.newest(),
            last_app=self.interactions.apps.last,
        )

    def report(self) -> None:
        """Report as the reporter does, and read it as the lifecycle app does."""
        seen, self.before = observe(self.facts(), self.before, None), self.facts()
        data = {one["MetricName"]: one["Value"] for one in metric_data(seen, "i-1", PERIOD)}
        self.reports.append(Report(self.now - PERIOD, Level(int(data["Activity"]))))
        if METRIC_APP in data:
            self.apps.append(AppTraffic(self.now, data[METRIC_APP]))

    def decision(self, policy: Policy) -> Decision:
        """What the lifecycle app decides now, by CloudWatch's reports and its record."""
        known = Evidence(period=PERIOD, reports=tuple(self.reports))
        since = self.now - policy.idle_timeout - 2 * MINUTE
        recent = tuple(report for report in self.reports[-400:] if report.at >= since)
        app = self.apps[-1] if self.apps and self.apps[-1].at >= since else None
        worker = Worker(
            key="ada",
            instance_id="i-1",
            state=State.RUNNING,
            state_at=BEGIN,
            version=1,
            changed_at=BEGIN,
            started_at=BEGIN,
            last_activity=known.last_life(Level.LOAD),
            last_interaction=known.last_life(Level.INTERACTION),
        )
        return decide(worker, Evidence(period=PERIOD, reports=recent, app=app), policy, self.now)

    def request(self, method: str, path: str, size: int = 0, **headers: str) -> HTTPServerRequest:
        given = HTTPHeaders(
            {"Host": "hub"} | {name.replace("_", "-"): value for name, value in headers.items()}
        )
        start = RequestStartLine(method, f"/user/ada/{path}", "HTTP/1.1")
        connection: Any = SimpleNamespace(set_close_callback=lambda _: None)
        return HTTPServerRequest(start_line=start, headers=given, connection=connection, body=b" " * size)

    def begin(self, event: Event, shape: Shape) -> HTTPServerRequest | None:
        """What happens at once; the request if it is one that is answered later."""
        handler = handler_of(shape.belongs_to)
        match event.how:
            case "open":
                request = self.request("GET", event.path, Upgrade="websocket")
                is_kernels = event.path.startswith("api/kernels/")
                self.arrives(request, KernelWebsocketHandler if is_kernels else handler)
                self.sockets[event.path] = request
                if request in self.traffic.sockets:
                    self.traffic.sockets[request].opened()
            case "push":
                if event.path in self.sockets:
                    self.traffic.sockets[self.sockets[event.path]].served()
            case "frame":
                self.traffic.sockets[self.sockets[event.path]].sent(b" " * event.size)
            case "comm":
                widget_message(self.interactions.apps, "k1", " " * event.size)
            case "page":
                found = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
                persons = {"Sec_Fetch_User": "?1"} if event.is_persons else {}
                return self.asked(self.request("GET", event.path, 0, **found, **persons), handler)
            case method:
                return self.asked(self.request(method, event.path, event.size), handler)
        return None

    def asked(self, request: HTTPServerRequest, handler: type[RequestHandler]) -> HTTPServerRequest:
        self.arrives(request, handler)
        return request

    def answered(self, request: HTTPServerRequest, status: int = 200) -> None:
        handler: Any = SimpleNamespace(request=request, get_status=lambda: status)
        self.log(handler)

    def live(
        self, events: Iterable[Event], shape: Shape, until: float, policy: Policy = POLICY
    ) -> datetime | None:
        """Go through the events, with a report each period and a decision each minute; when it is stopped, or None."""
        number = count()
        waiting: list[tuple[float, int, Event | HTTPServerRequest]] = []
        for event in events:
            heappush(waiting, (event.at, next(number), event))
        reports = 1
        while True:
            due = reports * PERIOD.total_seconds()
            while waiting and waiting[0][0] <= due:
                at, _, happening = heappop(waiting)
                self.now = BEGIN + timedelta(seconds=at)
                if isinstance(happening, HTTPServerRequest):
                    self.answered(happening)
                elif (request := self.begin(happening, shape)) is not None:
                    heappush(waiting, (at + happening.took, next(number), request))
            if due > until:
                return None
            self.now = BEGIN + timedelta(seconds=due)
            self.report()
            reports += 1
            if reports % 2 == 0 and self.decision(policy).action is Action.STOP:
                return self.now


@cache
def handler_of(module: str) -> type[RequestHandler]:
    """A handler of the form that jupyter-server-proxy's have, both HTTP and sockets, defined in that module."""
    return type("Handler", (WebSocketHandler,), {"__module__": module})


SEEDS = range(2)


def seeded(name: str, seed: int) -> Random:
    return Random(f"{name}{seed}")  # noqa: S311 -- a test's draw


def last_person(machine: Machine) -> datetime:
    found = Evidence(period=PERIOD, reports=tuple(machine.reports)).last_life(Level.INTERACTION)
    return found or BEGIN


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SHAPES)
def test_a_used_app_is_seen_in_each_report_and_never_stopped(name: str, seed: int) -> None:
    shape, draw = SHAPES[name], seeded(name, seed)
    acts = person(shape, 61, 6 * HOURS, draw)
    events = opened(shape, 5) + open_page(shape, 6, 7 * HOURS, draw) + acts
    machine = Machine()
    assert machine.live(events, shape, 6 * HOURS) is None
    seen = {report.at for report in machine.reports if report.level >= Level.INTERACTION}
    seen |= {traffic.at - PERIOD for traffic in machine.apps}
    for act in acts:
        if act.at + 1 < 6 * HOURS:
            assert BEGIN + PERIOD * (act.at // 30) in seen or BEGIN + PERIOD * ((act.at + 1) // 30) in seen
    assert machine.now - last_person(machine) < POLICY.app_allowance


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [*SHAPES, *FORGOTTEN])
def test_an_open_page_costs_the_allowance_at_most(name: str, seed: int) -> None:
    """Its user opened it and left."""
    shape, draw = (SHAPES | FORGOTTEN)[name], seeded(name, seed)
    machine = Machine()
    stopped = machine.live(opened(shape, 5) + open_page(shape, 6, 9 * HOURS, draw), shape, 9 * HOURS)
    assert stopped is not None
    assert stopped <= last_person(machine) + POLICY.app_allowance + MINUTE
    assert last_person(machine) <= BEGIN + LEARNING


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SHAPES)
def test_a_page_left_open_after_use_costs_the_allowance_at_most(name: str, seed: int) -> None:
    shape, draw = SHAPES[name], seeded(name, seed)
    events = opened(shape, 5) + open_page(shape, 6, 9 * HOURS, draw) + person(shape, 60, HOURS, draw)
    machine = Machine()
    stopped = machine.live(events, shape, 9 * HOURS)
    assert stopped is not None
    last = max(event.at for event in events if event.at < HOURS + 2700)
    assert stopped <= BEGIN + timedelta(seconds=last) + LEARNING + POLICY.app_allowance + MINUTE


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", EXTENSIONS)
def test_what_polls_in_jupyterlab_itself_keeps_nothing(name: str, seed: int) -> None:
    shape, draw = EXTENSIONS[name], seeded(name, seed)
    machine = Machine()
    stopped = machine.live(opened(shape, 5) + open_page(shape, 6, 9 * HOURS, draw), shape, 9 * HOURS)
    assert stopped is not None
    assert stopped <= BEGIN + POLICY.idle_timeout + LEARNING + MINUTE
