"""A hub that is down, slow, broken, or not the hub at all, when it is asked to release a server and who has servers."""

import gzip
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from lifecycle_app.use_cases import reconcile, sweep
from tests.certificates import certificate_for
from tests.faults.hostile_hub import Answer, Asked, releasing, said, told, users_page
from tests.faults.scene import NO_HUB, always, only_alice, plain, scene
from tests.faults.table import Fault, Found, found
from tests.faults.wire import every
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON

MEGABYTE = b" " * 1024 * 1024
BOTH = ("alice", "bob")


def always_says(*pieces: bytes) -> Answer:
    return lambda _: iter(pieces)


def json_of(**changes: Any) -> Answer:
    return lambda asked: [told(releasing(asked, **changes))]


def body_of(make: Callable[[bytes], bytes]) -> Answer:
    """A good answer's body, spoilt."""
    good = b'{"worker": "alice", "instance_id": "%s", "drained": true, "reason": "x", "evidence": {}}'
    return lambda _: [said(make(good % ALICE.encode()))]


def dripping(before: bytes) -> Answer:
    """A byte at a time without end, each in good time for whoever waits for one."""

    def drip(_: Asked) -> Iterator[bytes]:
        yield before
        while True:
            time.sleep(0.02)
            yield b" "

    return drip


def continuing(_: Asked) -> Iterator[bytes]:
    while True:
        time.sleep(0.01)
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


def silent(_: Asked) -> Iterator[bytes]:
    while True:
        time.sleep(0.02)
        yield b""


def huge(_: Asked) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"
    for _megabyte in range(100):
        yield MEGABYTE


def without_end(_: Asked) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"100000\r\n" + MEGABYTE + b"\r\n"


ODD_DRAINS: list[tuple[str, Answer, str]] = [
    ("HTML with 200", always_says(said(b"<html>Welcome</html>", kind="text/html")), "not JSON"),
    ("nothing with 200", always_says(said(b"")), "not JSON"),
    ("204", always_says(said(b"", "204 No Content")), "204"),
    ("401", always_says(told({"message": "no"}, "401 Unauthorized")), "401"),
    ("403", always_says(told({"message": "no"}, "403 Forbidden")), "403"),
    ("404", always_says(told({}, "404 Not Found")), "404"),
    ("429", always_says(told({}, "429 Too Many Requests", "Retry-After: 3600")), "429"),
    ("500", always_says(said(b"<h1>Internal Server Error</h1>", "500 No")), "500"),
    ("a reason of 60 KB with 500", always_says(said(b"x" * 10, "500 " + "n" * 60_000)), "500 nnn"),
    ("truncated JSON", body_of(lambda body: body[:-10]), "not JSON"),
    (
        "an answer that breaks off",
        always_says(b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"worker": "alice", "drain'),
        "not JSON",
    ),
    ("JSON that is no UTF-8", body_of(lambda body: body.replace(b'"x"', b'"\xff"')), "not JSON"),
    ("100 MB", huge, "longer than 65536"),
    ("chunks without end", without_end, "longer than 65536"),
    ("20 MB, compressed", always_says(
        said(gzip.compress(20 * MEGABYTE), "200 OK", "application/json", "Content-Encoding: gzip")
    ), "not JSON"),
    ("nesting of 100,000", always_says(said(b"[" * 30_000 + b"]" * 30_000)), "not JSON"),
    ("nesting of 900 in the evidence", always_says(said(
        b'{"drained": true, "reason": "x", "evidence": ' + b"[" * 900 + b"]" * 900 + b"}"
    )), "something else"),
    ("slow drip of the body", dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), "timed out"),
    ("slow drip of a header", dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "), "timed out"),
    ("slow drip of the status", dripping(b"HTTP/1.1 200"), "timed out"),
    ("continue without end", continuing, "timed out"),
    ("silence", silent, "timed out"),
    ("hanging up", always_says(), "Connection aborted"),
    ("no HTTP", always_says(b"SSH-2.0-OpenSSH_9.2\r\n"), "BadStatusLine"),
    ("a thousand headers", always_says(
        b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 1000 + b"\r\n"
    ), "more than 100 headers"),
    ("no object", always_says(told([True])), "not an object"),
    ("null", always_says(told(None)), "not an object"),
    ("no fields", always_says(told({})), "something else"),
    ("about another worker", json_of(worker="bob"), "something else"),
    ("about another instance", json_of(instance_id=BOB), "something else"),
    ("drained: 1", json_of(drained=1), "'drained': 1"),
    ("drained: 'true'", json_of(drained="true"), "'drained': 'true'"),
    ("drained: null", json_of(drained=None), "'drained': None"),
    ("no reason", json_of(reason=None), "'reason': None"),
    ("a reason of another type", json_of(reason=["x"]), "'reason': ["),
    ("no evidence", json_of(evidence=None), "'evidence': None"),
    ("evidence of another type", json_of(evidence=[1]), "'evidence': [1]"),
    ("NaN", body_of(lambda body: body.replace(b"{}", b'{"level": NaN}')), "not JSON"),
    ("Infinity", body_of(lambda body: body.replace(b"{}", b'{"last_work": Infinity}')), "not JSON"),
]  # fmt: skip

REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("a refusal of 50 KB", {"reason": "no\n" * 12_000}, "not stopped: no no no"),
    ("a refusal with half a character", {"reason": "no \ud800"}, "not stopped: no"),
    ("a refusal with lists in lists", {"evidence": {"x": [[[]]], "y": {"z": 1}}}, "not stopped"),
    ("a refusal with times that are none",
     {"evidence": {"last_interaction": 1e308, "last_work": "noon"}}, "not stopped"),
    ("a refusal that speaks for its opposite", {"evidence": {"drained": True, "answers": False}}, "not stopped"),
]  # fmt: skip


def drained(answer: Answer, **more: Any) -> Found:
    with scene(only_alice(answer), **more) as found_scene:
        sweep(found_scene.service, always)
        return found(found_scene)


def redirected(status: str) -> Found:
    """The other server must see nothing, least of all the token."""
    with scene() as other:
        place = f"Location: {other.hub.api}/cloudjhub/drain"
        one = drained(always_says(said(b"", status, "text/html", place)))
        assert other.hub.asked == [], "the redirect was followed"
        return one


def certificate_changed() -> Found:
    """No worker is decided about: as the hub's answer is unknown for all, others are left alone as well."""
    ours, other = certificate_for("127.0.0.1"), certificate_for("127.0.0.1")
    with tempfile.TemporaryDirectory() as place:
        tls = other.server(Path(place))
        with scene(certificate=ours.certificate, tls=tls, alive=(ALICE, BOB)) as one:
            sweep(one.service, always)
            assert one.hub.asked == [], "an unknown server was told something"
            return found(one, others=True)


def down(answer: Answer = plain, **more: Any) -> Found:
    """Alice's reports have a hole: with the hub down it is unknown whether she worked in it."""
    with scene(answer, **more) as one:
        one.wire.activity[ALICE] = [
            point for point in one.wire.activity[ALICE] if not -10 <= (point[0] - NOON) / MINUTE < -5
        ]
        sweep(one.service, always)
        return found(one)


def listed(answer: Answer, *, is_odd: bool = True) -> Found:
    """Alice was there a quarter of an hour ago: only if the hub knew no server of hers she would be due."""
    with scene(lambda asked: (answer if asked.path.endswith("/users") else plain)(asked)) as one:
        one.wire.activity[ALICE] = every(1, 3.0, NOON - 2 * HOUR, NOON - 15 * MINUTE)
        one.wire.activity[ALICE] += every(1, 0.0, NOON - 15 * MINUTE, NOON)
        reconcile(one.service, NOON, always)
        # Who has no server is not asked for while the list is odd; the rest of the pass is done.
        return found(one, others="PutMetricAlarm" in one.wire.calls and is_odd is (BOB not in one.wire.stops))


def page_of(page: Any) -> Answer:
    return lambda _: [told(page)]


def following(step: Callable[[int], Any]) -> Answer:
    def page(asked: Asked) -> Iterator[bytes]:
        yield told(users_page({"bob": [""]}, step(int(asked.query["offset"]))))

    return page


def elsewhere() -> Found:
    """The next page is said to be on another host; it is asked for at the hub's own, or not at all."""
    with scene() as other:
        link = f"{other.hub.api}/users?offset=200"

        def page(asked: Asked) -> Iterator[bytes]:
            here = {"offset": 200, "limit": 200, "url": link}
            first = users_page({"bob": [""]}, here), users_page({"alice": [""], "carol": [""]})
            yield told(first[asked.query["offset"] != "0"], "200 OK", f'Link: <{link}>; rel="next"')

        one = listed(page)
        assert other.hub.asked == [], "another host was asked"
        return one


def user(**changes: Any) -> dict[str, Any]:
    good = {"name": "bob", "groups": [], "servers": {"": {"stopped": False}}}
    return {"items": [good | changes], "_pagination": {"next": None}}


LISTS: list[tuple[str, Answer, str]] = [
    ("an empty list", page_of(users_page({})), ""),
    ("HTML with 200", always_says(said(b"<html></html>")), "not JSON"),
    ("500", always_says(told({}, "500 No")), "500"),
    ("429", always_says(told({}, "429 No", "Retry-After: 3600")), "429"),
    ("a page loop", following(lambda _: {"offset": 0}), "the page after 0 begins at 0"),
    ("a page loop of two", following(lambda at: {"offset": 200 - at}), "the page after 200 begins at 0"),
    ("pages without end", following(lambda at: {"offset": at + 1}), "no last page after 250 pages"),
    ("an offset that is none", following(lambda _: {"offset": True}), "not an offset of the next page"),
    ("100 MB", huge, "longer than 8388608"),
    ("slow drip", dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), "timed out"),
    ("nesting", always_says(said(b'{"items": ' + b"[" * 30_000 + b"]" * 30_000 + b"}")), "not JSON"),
    ("servers: null", page_of(user(servers=None)), "without name or servers"),
    ("a server: null", page_of(user(name="alice", servers={"": None})), "not a server"),
    ("stopped: 'no'", page_of(user(name="alice", servers={"": {"stopped": "no"}})), "not a server"),
    ("a name with a slash", page_of(user(name="a/b")), "not a user name"),
    ("groups of two types", page_of(user(groups=["a", 1])), "with invalid groups"),
    ("no items", page_of({"_pagination": {"next": None}}), "not a list"),
    ("items of another type", page_of({"items": [[]], "_pagination": {"next": None}}), "not a list"),
]


def elsewhere_asked(api: str) -> Found:
    with scene(api=api, alive=(ALICE, BOB)) as one:
        sweep(one.service, always)
        return found(one, others=True)


GATEWAYS = ("502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout")


def gateway(status: str) -> Found:
    """A proxy before the hub says that nothing is behind it."""
    return down(only_alice(always_says(said(b"<h1>Bad Gateway</h1>", status, "text/html"))))


def not_drained(more: dict[str, Any]) -> Found:
    return drained(json_of(**{"drained": False} | more))


HUB = [
    *(Fault(f"hub: {name}", partial(drained, answer), words) for name, answer, words in ODD_DRAINS),
    *(Fault(f"hub: {name}", partial(not_drained, more), words) for name, more, words in REFUSALS),
    Fault("hub: redirect to a login", partial(redirected, "302 Found"), "302"),
    Fault("hub: redirect that keeps the method", partial(redirected, "307 Temporary Redirect"), "307"),
    Fault("hub: a changed certificate", certificate_changed, "certificate"),
    Fault("hub: down", partial(down, api=NO_HUB), "JupyterHub could not be reached"),
    *(
        Fault(f"hub: {status} of the proxy", partial(gateway, status), "JupyterHub could not be reached")
        for status in GATEWAYS
    ),
    Fault(
        "hub: a name that is not known",
        partial(elsewhere_asked, "http://hub.invalid/hub/api"),
        "no usable answer",
    ),
    *(Fault(f"users: {name}", partial(listed, answer), words) for name, answer, words in LISTS),
    Fault("users: the next page on another host", elsewhere, ""),
]
