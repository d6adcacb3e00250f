"""What web apps' pages send, by themselves and when they are used: methods, paths, sizes and times.

In the form that their sources give them; times in seconds, sizes in bytes.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random


@dataclass(frozen=True, slots=True)
class Send:
    """A page sends: a request by its method, a `frame` over its socket, or a widget's message to its kernel, `comm`."""

    how: str
    path: str
    size: int = 0
    took: float = 0.05
    """A request's time until its response."""


@dataclass(frozen=True, slots=True)
class Poll:
    """The page repeats it, from opening to closing, each time up to `jitter` of the interval later."""

    every: float
    sends: tuple[Send, ...]
    jitter: float = 0.02


@dataclass(frozen=True, slots=True)
class Push:
    """The server sends something at uneven times, on average `every`, and the page responds 0.1 s later.

    Without a socket, the page waits for it with the first of `responses`, a request that is answered only then.
    """

    every: float
    socket: str
    responses: tuple[Send, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An app: the path of its page, what that sends by itself, and `acts`, of which it sends one when a person acts."""

    page: str
    socket: str | None = None
    opening: tuple[Send, ...] = ()
    polls: tuple[Poll, ...] = ()
    pushes: tuple[Push, ...] = ()
    acts: tuple[tuple[Send, ...], ...] = ()
    belongs_to: str = "jupyter_server_proxy.handlers"
    """The module of its handler."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens: `push` is a message of the server's, `open` a socket, `page` a page; else as in Send."""

    at: float
    how: str
    path: str
    size: int = 0
    took: float = 0.0
    is_persons: bool = False


GET_EVENTS = "rstudio/events/get_events"
VNC = "desktop/websockify"
CHANNELS = "api/kernels/k1/channels"

SHAPES = {
    "streamlit": Shape(
        page="proxy/8501/",
        socket="proxy/8501/_stcore/stream",
        opening=(Send("GET", "proxy/8501/_stcore/health"), Send("frame", "proxy/8501/_stcore/stream", 44)),
        polls=(Poll(30, (Send("GET", "proxy/8501/_stcore/health"),)),),
        acts=tuple((Send("frame", "proxy/8501/_stcore/stream", size),) for size in (96, 131, 130, 402)),
    ),
    "dask": Shape(
        page="proxy/8787/status",
        socket="proxy/8787/status/ws",
        opening=tuple(Send("frame", "proxy/8787/status/ws", size) for size in (78, 2, 2)),
        pushes=(Push(0.4, "proxy/8787/status/ws"),),
        polls=(Poll(37, (Send("GET", "proxy/8787/sitemap.json"),)),),
        acts=(tuple(Send("frame", "proxy/8787/status/ws", size) for size in (92, 2, 310)),),
    ),
    "bokeh with acknowledgements": Shape(
        page="proxy/5006/app",
        socket="proxy/5006/app/ws",
        pushes=(
            Push(
                20,
                "proxy/5006/app/ws",
                (Send("frame", "proxy/5006/app/ws", 70), Send("frame", "proxy/5006/app/ws", 2)),
            ),
        ),
        acts=(tuple(Send("frame", "proxy/5006/app/ws", size) for size in (92, 2, 310)),),
    ),
    "code-server": Shape(
        page="code-server/",
        socket="code-server/stable-1",
        opening=(Send("POST", "code-server/mint-key"), Send("frame", "code-server/stable-1", 210)),
        polls=(
            Poll(5, (Send("frame", "code-server/stable-1", 13),)),
            Poll(3600, (Send("GET", "code-server/update/check"),)),
        ),
        pushes=(Push(90, "code-server/stable-1", (Send("frame", "code-server/stable-1", 13),)),),
        acts=tuple((Send("frame", "code-server/stable-1", size),) for size in (180, 260, 1900, 240, 320)),
    ),
    "a desktop with a clock": Shape(
        page="desktop/",
        socket=VNC,
        opening=(Send("frame", VNC, 12), Send("frame", VNC, 1), Send("frame", VNC, 20)),
        pushes=(Push(1, VNC, (Send("frame", VNC, 10),)),),
        acts=(
            tuple(Send("frame", VNC, 6) for _ in range(25)),
            (Send("frame", VNC, 8), Send("frame", VNC, 8)) * 6,
        ),
    ),
    "a desktop that asks for updates steadily": Shape(
        page="desktop/",
        socket=VNC,
        polls=(Poll(0.5, (Send("frame", VNC, 10),)),),
        acts=(tuple(Send("frame", VNC, 6) for _ in range(25)),),
    ),
    "rstudio": Shape(
        page="rstudio/",
        opening=(
            Send("POST", "rstudio/rpc/client_init", 60),
            Send("POST", "rstudio/rpc/get_file_contents", 40),
        ),
        polls=(Poll(50.1, (Send("POST", GET_EVENTS, 90, 50.0),), 0.001),),
        acts=(
            (Send("POST", "rstudio/rpc/console_input", 80),),
            (Send("POST", "rstudio/rpc/save_document_diff", 300),),
            (Send("POST", "rstudio/rpc/get_completions", 120),),
        ),
    ),
    "rstudio beside a job that prints": Shape(
        page="rstudio/",
        opening=(Send("POST", "rstudio/rpc/client_init", 60),),
        pushes=(Push(15, "", (Send("POST", GET_EVENTS, 90), Send("POST", "rstudio/rpc/environment", 40))),),
        acts=((Send("POST", "rstudio/rpc/console_input", 80),),),
    ),
    "tensorboard": Shape(
        page="proxy/6006/",
        polls=(Poll(30, (Send("GET", "proxy/6006/data/environment"), Send("GET", "proxy/6006/data/runs"))),),
        acts=tuple(
            (Send("GET", f"proxy/6006/data/plugin/{name}"),) for name in ("scalars", "images", "text")
        ),
    ),
    "marimo": Shape(
        page="proxy/2718/",
        socket="proxy/2718/ws",
        polls=(Poll(10, (Send("GET", "proxy/2718/api/usage"),)),),
        acts=(
            (Send("POST", "proxy/2718/api/kernel/run", 250),),
            (Send("POST", "proxy/2718/api/kernel/set_ui_element_value", 90),),
        ),
    ),
    "a dashboard that polls by POST": Shape(
        page="proxy/8050/",
        polls=(
            Poll(5, (Send("POST", "proxy/8050/_dash-update-component", 180),)),
            Poll(300, (Send("POST", "proxy/8050/_dash-update-component", 900),)),
        ),
        acts=((Send("POST", "proxy/8050/_dash-update-component", 420),),),
    ),
    "voila": Shape(
        page="voila/render/a.ipynb",
        socket=CHANNELS,
        acts=tuple((Send("comm", CHANNELS, size),) for size in (410, 470, 640)),
        belongs_to="voila.handler",
    ),
}
"""Apps that people use."""
FORGOTTEN = {
    "a Play widget": Shape(
        page="lab",
        socket=CHANNELS,
        polls=(Poll(1, (Send("comm", CHANNELS, 420),)),),
        belongs_to="jupyterlab.handlers",
    ),
    "a slow Play widget": Shape(
        page="lab",
        socket=CHANNELS,
        polls=(Poll(8, (Send("comm", CHANNELS, 420),)),),
        belongs_to="jupyterlab.handlers",
    ),
    "a live plot": Shape(
        page="lab",
        socket=CHANNELS,
        pushes=(Push(7, CHANNELS, (Send("comm", CHANNELS, 380),)),),
        belongs_to="jupyterlab.handlers",
    ),
}
"""Widgets that use themselves."""
EXTENSIONS = {
    "resource usage": Shape(
        page="lab",
        polls=(Poll(5, (Send("GET", "api/metrics/v1"),)),),
        belongs_to="jupyter_resource_usage.api",
    ),
    "git": Shape(
        page="lab",
        polls=(
            Poll(10, (Send("POST", "git/status", 20), Send("POST", "git/branch", 20))),
            Poll(300, (Send("POST", "git/remote_fetch", 20),)),
        ),
        belongs_to="jupyterlab_git.handlers",
    ),
    "collaboration": Shape(
        page="lab",
        socket="api/collaboration/room/a",
        polls=(Poll(15, (Send("frame", "api/collaboration/room/a", 210),)),),
        pushes=(Push(40, "api/collaboration/room/a", (Send("frame", "api/collaboration/room/a", 30),)),),
        belongs_to="jupyter_server_ydoc.handlers",
    ),
    "jupyterlab itself": Shape(
        page="lab",
        polls=(Poll(10, (Send("GET", "api/kernels"), Send("GET", "api/sessions"))),),
        belongs_to="jupyter_server.services.kernels.handlers",
    ),
}
"""Parts of JupyterLab's own page that poll."""


def opened(shape: Shape, at: float) -> list[Event]:
    """A person opens the page."""
    found = [Event(at, "page", shape.page, is_persons=True)]
    if shape.socket is not None:
        found.append(Event(at + 0.5, "open", shape.socket))
    return found + [_event(at + 0.6, one) for one in shape.opening]


def open_page(shape: Shape, since: float, until: float, draw: Random) -> list[Event]:
    """What the page and its server do by themselves."""
    found: list[Event] = []
    for poll in shape.polls:
        at = since + draw.uniform(0, poll.every)
        while at < until:
            found += [_event(at + number * 0.01, one) for number, one in enumerate(poll.sends)]
            at += poll.every * (1 + draw.uniform(0, poll.jitter))
            # A beat is lost now and then, and the network holds a page up for some seconds.
            at += poll.every * (draw.random() < 0.01) + draw.uniform(2, 8) * (draw.random() < 0.002)
    for push in shape.pushes:
        at = since + draw.uniform(0, push.every)
        while at < until:
            following = at + max(0.3, draw.expovariate(1 / push.every))
            if push.socket:
                found.append(Event(at, "push", push.socket))
            sends = [_event(at + 0.1 + number * 0.01, one) for number, one in enumerate(push.responses)]
            if not push.socket:
                sends[0] = replace(sends[0], took=following - sends[0].at)
            found += sends
            at = following
    return found


def person(shape: Shape, since: float, until: float, draw: Random) -> list[Event]:
    """A person who uses the app: seconds between two acts, minutes now and then, three quarters of an hour at most."""
    times = [since]
    while times[-1] < until:
        times.append(times[-1] + min(2700.0, draw.lognormvariate(2.7, 1.4)))
    found: list[Event] = []
    for at, following in pairwise(times):
        sends = draw.choice(shape.acts)
        step = min(0.03, (following - at) / len(sends))
        found += [_event(at + number * step, one) for number, one in enumerate(sends)]
    return found


def _event(at: float, sent: Send) -> Event:
    return Event(at, sent.how, sent.path, sent.size, sent.took if sent.how not in ("frame", "comm") else 0.0)
