"""The kinds of hostile requests, as bytes on a connection. Pure functions of a random generator and what a stranger can
know: the hub's host and a form token of the login page.
"""

import gzip
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

CLAIMED = 100_000_000
"""Bytes that a body claims to have, of which a few are sent."""
BODY = 60_000
"""Bytes of a body below the limit of 64 KiB."""
BOMB = gzip.compress(bytes(30_000_000))
STALL = 3.0
"""Seconds for which an unfinished request is held open."""


@dataclass(frozen=True, slots=True)
class Known:
    """What anybody can get: the host, and the login page's token with its cookies."""

    host: str
    xsrf: str
    cookies: str


@dataclass(frozen=True, slots=True)
class Attack:
    """A request, or a part of one; `hold` seconds pass before the connection is closed without more."""

    sent: bytes
    hold: float = 0.0


Make = Callable[[random.Random, Known], Attack]


def request(line: str, known: Known, body: bytes = b"", **headers: str) -> bytes:
    """A whole HTTP/1.1 request; header names with `_` for `-`."""
    given = {
        "Host": known.host,
        "Connection": "close",
        **({"Content-Length": str(len(body))} if body else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body


def form(path: str, known: Known, body: bytes, **headers: str) -> bytes:
    """A form of the login pages, with the token that belongs to it."""
    sent = f"_xsrf={quote(known.xsrf)}&".encode() + body
    kind = headers.pop("Content_Type", "application/x-www-form-urlencoded")
    return request(f"POST {path}", known, sent, Cookie=known.cookies, Content_Type=kind, **headers)


def api(path: str, known: Known, body: object, method: str = "POST", **headers: str) -> bytes:
    """A call of the hub's API."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(f"{method} /hub/api/{path}", known, content, Content_Type="application/json", **headers)


def noise(chance: random.Random, length: int) -> str:
    """A text of visible ASCII characters."""
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))


def token(chance: random.Random) -> dict[str, str]:
    """A header with a token that is none."""
    return {"Authorization": f"token {noise(chance, 64)}"}


def _login(chance: random.Random, known: Known, name: str = "", **headers: str) -> Attack:
    body = f"username={quote(name or noise(chance, 8))}&password={noise(chance, 12)}"
    return Attack(form("/hub/login", known, body.encode(), **headers))


def _sign_up(known: Known, name: str) -> Attack:
    fields = (
        f"username={quote(name)}&code=AAAA&signup_password=abcdefgh&signup_password_confirmation=abcdefgh"
    )
    return Attack(form("/hub/signup", known, fields.encode()))


def _multipart(chance: random.Random) -> bytes:
    part = f'--x\r\nContent-Disposition: form-data; name="{noise(chance, 4)}"\r\n\r\nv\r\n'
    return (part * (BODY // len(part))).encode() + b"--x--\r\n"


def _unfinished(known: Known, path: str, more: str = "") -> Attack:
    sent = request(f"POST {path}", known, Content_Length=str(CLAIMED)) + b"username=a&" * 200
    return Attack(sent + more.encode(), STALL)


def _deep(levels: int = 20_000) -> bytes:
    return b"[" * levels + b"]" * levels


ANONYMOUS: Mapping[str, Make] = {
    "wrong password": lambda chance, known: _login(chance, known),
    "password of one name": lambda chance, known: _login(chance, known, "boss"),
    "name of 50 KB": lambda chance, known: _login(chance, known, noise(chance, 50_000)),
    "name of control characters": lambda chance, known: _login(chance, known, "\x9b2J\x00‮" * 20),
    "forged addresses": lambda chance, known: _login(
        chance, known, X_Forwarded_For=f"10.0.0.{chance.randrange(256)}", X_Real_Ip="127.0.0.1"
    ),
    "20,000 fields": lambda chance, known: Attack(form("/hub/login", known, b"a&b&c&" * (BODY // 6))),
    "2,000 parts": lambda chance, known: Attack(
        form("/hub/login", known, _multipart(chance), Content_Type="multipart/form-data; boundary=x")
    ),
    "gzip bomb": lambda chance, known: Attack(
        form("/hub/login", known, BOMB, Content_Encoding="gzip")
    ),
    "100 MB claimed": lambda chance, known: _unfinished(known, "/hub/login"),
    "endless chunks": lambda chance, known: Attack(
        request("POST /hub/login", known, Transfer_Encoding="chunked") + (b"2000\r\n" + b"a" * 8192 + b"\r\n") * 40
    ),
    "slow headers": lambda chance, known: Attack(
        f"GET /hub/login HTTP/1.1\r\nHost: {known.host}\r\nX-".encode(), STALL
    ),
    "100 headers": lambda chance, known: Attack(
        request("GET /hub/login", known, b"", **{f"X_{number}": noise(chance, 60) for number in range(100)})
    ),
    "header of 60 KB": lambda chance, known: Attack(request("GET /hub/login", known, X_Long=noise(chance, BODY))),
    "cookie of 8 KB": lambda chance, known: Attack(
        request("GET /hub/home", known, Cookie=f"jupyterhub-hub-login={noise(chance, 8000)}")
    ),
    "URL of 12 KB": lambda chance, known: Attack(request(f"GET /hub/login?next={noise(chance, 12_000)}", known)),
    "paths with dots": lambda chance, known: Attack(request("GET /hub/static/../../etc/passwd", known)),
    "unknown host": lambda chance, known: Attack(
        request("GET /hub/login", Known(f"{noise(chance, 8)}.example", "", ""))
    ),
    "sign-ups": lambda chance, known: _sign_up(known, noise(chance, 10)),
    "sign-ups of long names": lambda chance, known: _sign_up(known, noise(chance, 20_000)),
    "tokens that are none": lambda chance, known: Attack(request("GET /hub/api/user", known, b"", **token(chance))),
    "token requests": lambda chance, known: Attack(
        api("users/boss/tokens", known, {"auth": {"username": "boss", "password": noise(chance, 8)}})
    ),
    "oauth codes": lambda chance, known: Attack(
        form("/hub/api/oauth2/token", known, f"client_id={noise(chance, 9)}&code={noise(chance, 900)}".encode())
    ),
    "nested JSON": lambda chance, known: Attack(api("users", known, _deep(), **token(chance))),
    "websockets": lambda chance, known: Attack(
        request(
            f"GET /user/{noise(chance, 8)}/api/kernels", known,
            Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13", Sec_WebSocket_Key="AAAA",
        )
    ),
    "not HTTP": lambda chance, known: Attack(bytes(chance.randrange(256) for _ in range(2000))),
}  # fmt: skip
"""By name; through nginx, as from the internet."""

WORKERS: Mapping[str, Make] = {
    "identity proofs": lambda chance, known: Attack(
        api("cloudjhub/environment", known, {"headers": {"authorization": noise(chance, 400)}, "body": "x"})
    ),
    "identity proofs of 60 KB": lambda chance, known: Attack(
        api("cloudjhub/environment", known, {"headers": {noise(chance, 9): "x" for _ in range(3000)}})
    ),
    "nested identity proofs": lambda chance, known: Attack(api("cloudjhub/environment", known, _deep(30_000))),
    "50 MB claimed by a worker": lambda chance, known: _unfinished(known, "/hub/api/cloudjhub/environment"),
    "activity of others": lambda chance, known: Attack(
        api(
            "users/boss/activity", known,
            {"servers": {noise(chance, 20): {"last_activity": "2099-01-01T00:00:00Z"} for _ in range(500)}},
            **token(chance),
        )
    ),
    "drains": lambda chance, known: Attack(
        api("cloudjhub/drain", known, {"server": noise(chance, 5000)}, **token(chance))
    ),
    "headers of 60 KB by a worker": lambda chance, known: Attack(
        request("GET /hub/api/", known, X_Long=noise(chance, BODY))
    ),
    "slow bodies of a worker": lambda chance, known: Attack(
        request("POST /hub/api/cloudjhub/environment", known, Content_Length="3000") + b"{", STALL
    ),
}  # fmt: skip
"""By name; straight to the hub's port, which workers reach."""
