"""A person who works with the hub over HTTP, as a browser would: logs in, starts a server, runs cells and terminals.
For the tour and the tests. The process must know names below localhost (`localhost.resolve`).
"""

import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import websocket

from bootstrap.local import localhost
from hub.config.origins import is_name, subdomain

TIMEOUT = 120
"""Seconds without a byte after which a request is given up: the hub sends progress every eight seconds."""


class Person:
    """A logged-in user; `server` names one of the user's servers, "" the default one."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.url = url
        self.name = name
        self._http = localhost.session()
        self._token = self._log_in(password)

    def _log_in(self, password: str) -> str:
        page = f"{self.url}/hub/login"
        self._http.get(page, timeout=TIMEOUT).raise_for_status()
        form = {"username": self.name, "password": password, "_xsrf": self._xsrf()}
        answer = self._http.post(page, data=form, timeout=TIMEOUT, allow_redirects=False)
        if answer.status_code != 302:
            raise LoginRefused(answer.text)
        self._http.get(f"{self.url}/hub/token", timeout=TIMEOUT).raise_for_status()
        made = self._http.post(
            f"{self.url}/hub/api/users/{quote(self.name, safe='')}/tokens",
            json={"note": "a person of the local cloud"},
            headers={"X-XSRFToken": self._xsrf(), "Referer": f"{self.url}/hub/token"},
            timeout=TIMEOUT,
        )
        made.raise_for_status()
        return str(made.json()["token"])

    def _xsrf(self) -> str:
        return next(cookie.value or "" for cookie in self._http.cookies if cookie.name == "_xsrf")

    def is_logged_in(self) -> bool:
        """Whether the hub still knows this person's browser session."""
        answer = self._http.get(f"{self.url}/hub/home", timeout=TIMEOUT, allow_redirects=False)
        return answer.status_code == 200

    def page(self, path: str) -> requests.Response:
        """A page of the hub, with the browser's cookies."""
        return self._http.get(f"{self.url}{path}", timeout=TIMEOUT)

    # -- the hub's API

    def hub(self, method: str, path: str, body: object = None) -> requests.Response:
        """The answer of the hub's API, with the person's token."""
        return requests.request(
            method, f"{self.url}/hub/api/{path}", json=body, headers=self._headers(), timeout=TIMEOUT
        )

    def request_start(self, server: str = "", options: object = None) -> None:
        """Ask for the server without waiting."""
        self.hub("POST", self._server_path(server), options or {}).raise_for_status()

    def start(self, server: str = "", options: object = None) -> list[dict[str, Any]]:
        """Start the server and wait until it is ready; the progress events seen on the way."""
        self.request_start(server, options)
        return self.await_ready(server)

    def await_ready(
        self, server: str = "", *, at: str = "", then: Callable[[], object] = lambda: None
    ) -> list[dict[str, Any]]:
        """Follow the progress to its end; SpawnFailed with the hub's message if it fails. A message with the words `at`
        is followed by a call of `then`.
        """
        events = []
        with requests.get(
            f"{self.url}/hub/api/{self._server_path(server)}/progress",
            headers=self._headers(),
            stream=True,
            # The hub sends something every eight seconds; one that was killed in between never does again.
            timeout=TIMEOUT,
        ) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    events.append(event)
                    if at and at in event.get("message", ""):
                        then()
                    if event.get("failed"):
                        raise SpawnFailed(event["message"])
                    if event.get("ready"):
                        return events
        raise SpawnFailed(f"the progress ended early: {events}")

    def stop(self, server: str = "") -> None:
        """Press Stop."""
        self.hub("DELETE", self._server_path(server)).raise_for_status()

    def servers(self) -> dict[str, Any]:
        """What the hub says about the servers, by name."""
        answer = self.hub("GET", f"users/{quote(self.name, safe='')}")
        answer.raise_for_status()
        return dict(answer.json()["servers"])

    def _server_path(self, server: str) -> str:
        user = f"users/{quote(self.name, safe='')}"
        return f"{user}/servers/{quote(server, safe='')}" if server else f"{user}/server"

    # -- the notebook server, through the proxy

    def has_server(self) -> bool:
        """Does the default server answer? Until it has a route, the hub answers on its host, with a page."""
        answer = self.lab("GET", "api/status")
        return answer.ok and "json" in answer.headers.get("Content-Type", "")

    def lab(self, method: str, path: str, body: object = None, server: str = "") -> requests.Response:
        """The answer of the notebook server's API, through the proxy."""
        return requests.request(
            method, f"{self._base(server)}/{path}", json=body, headers=self._headers(), timeout=TIMEOUT
        )

    def write(self, path: str, text: str, server: str = "") -> None:
        """Save a text file in the home."""
        body = {"type": "file", "format": "text", "content": text}
        self.lab("PUT", f"api/contents/{path}", body, server).raise_for_status()

    def read(self, path: str, server: str = "") -> str:
        """The content of a text file in the home."""
        answer = self.lab("GET", f"api/contents/{path}", server=server)
        answer.raise_for_status()
        return str(answer.json()["content"])

    def open_kernel(self, server: str = "") -> str:
        """Start a Python kernel; its id."""
        answer = self.lab("POST", "api/kernels", {"name": "python3"}, server)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def run_cell(self, kernel: str, code: str, server: str = "", *, wait: bool = True) -> str:
        """Run a cell as JupyterLab does; its output, or "" at once where `wait` is off (the browser is closed)."""
        socket = self._socket(f"api/kernels/{kernel}/channels", server)
        message = uuid.uuid4().hex
        header = {
            "msg_id": message, "msg_type": "execute_request", "username": "", "session": uuid.uuid4().hex,
            "version": "5.3", "date": "",
        }  # fmt: skip
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        socket.send(
            json.dumps(
                {
                    "header": header,
                    "parent_header": {},
                    "metadata": {},
                    "content": content,
                    "channel": "shell",
                }
            )
        )
        output = []
        try:
            while True:
                answer = json.loads(socket.recv())
                if answer["parent_header"].get("msg_id") != message:
                    continue
                kind, state = answer["msg_type"], answer["content"].get("execution_state")
                if kind == "stream":
                    output.append(answer["content"]["text"])
                if (not wait and state == "busy") or state == "idle":
                    return "".join(output)
        finally:
            socket.close()

    def run_in_terminal(self, command: str, server: str = "") -> str:
        """Type a command into a new terminal and leave; the terminal's name."""
        answer = self.lab("POST", "api/terminals", {}, server)
        answer.raise_for_status()
        name = str(answer.json()["name"])
        socket = self._socket(f"terminals/websocket/{name}", server)
        socket.recv()
        socket.send(json.dumps(["stdin", command + "\r"]))
        while command not in socket.recv():
            continue
        socket.close()
        return name

    def _socket(self, path: str, server: str) -> websocket.WebSocket:
        url = f"{self._base(server)}/{path}".replace("http", "ws", 1)
        return websocket.create_connection(url, header=self._headers(), timeout=TIMEOUT)

    def _base(self, server: str) -> str:
        tail = f"/{quote(server, safe='')}" if server else ""
        return f"{origin_of(self.name, self.url)}/user/{quote(self.name, safe='@~')}{tail}"

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self._token}"}


def origin_of(user: str, url: str) -> str:
    """Where the user's servers are: on a subdomain of the hub's URL, unless it has only an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not is_name(host):
        return url
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{subdomain(user, host, 'user')}{port}"


class LoginRefused(Exception):
    """The hub did not let this person in; its page."""


class SpawnFailed(Exception):
    """The server did not start; the hub's message."""
