"""A user's browser, as far as the hub's pages go."""

import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

PASSWORD = "user-password"


class _From(HTTPAdapter):
    """Connects from an address of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more, source_address=(self._address, 0))


class Browser:
    """Logs a user in and asks for pages and for JupyterHub's API, as its pages do."""

    def __init__(self, public_url: str, address: str = "") -> None:
        self._url = public_url
        self._session = requests.Session()
        if address:
            self._session.mount("http://", _From(address))
        self.name = ""

    def log_in(self, name: str, password: str = PASSWORD, then: str = "") -> requests.Response:
        """Submits the login form; does not follow where it leads. `then` is the page that was asked for."""
        self._session.get(f"{self._url}/hub/login", timeout=20)
        self.name = name
        form = {"username": name, "password": password, "_xsrf": self._session.cookies["_xsrf"]}
        return self._session.post(
            f"{self._url}/hub/login", params={"next": then}, data=form, timeout=20, allow_redirects=False
        )

    def claim(self, headers: Mapping[str, str]) -> None:
        """Sends these with each request."""
        self._session.headers.update(headers)

    def page(self, path: str) -> requests.Response:
        """A page, with its redirects followed."""
        return self._session.get(self._url + path, timeout=20)

    def press(self, action: str, **fields: str) -> requests.Response:
        """Submits a form of a page, which says in `action` where to."""
        return self._session.post(self._url + html.unescape(action), data=fields, timeout=20)

    def first_step(self, path: str) -> str:
        """Where a page redirects to."""
        return self._session.get(self._url + path, timeout=20, allow_redirects=False).headers["Location"]

    def enter_server(self, user: str, **more: str) -> int:
        """The status of a request that lets the user's own server know who this is, with more parameters."""
        server = {
            "client_id": f"jupyterhub-user-{user}",
            "redirect_uri": f"/user/{user}/oauth_callback",
            "response_type": "code",
        }
        url = f"{self._url}/hub/api/oauth2/authorize"
        return self._session.get(url, params=server | more, timeout=20, allow_redirects=False).status_code

    def submit(self, path: str, form: Mapping[str, str]) -> requests.Response:
        """What comes of a form of that page."""
        token = {"_xsrf": self._session.cookies["_xsrf"]}
        return self._session.post(
            self._url + path, params=token, data=form, timeout=30, allow_redirects=False
        )

    def api(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """JupyterHub's API with the user's cookie."""
        xsrf = re.search(r'xsrf_token: "([^"]+)"', self.page("/hub/home").text)
        assert xsrf, "no page of a user who is logged in"
        headers = {"X-XSRFToken": xsrf[1], "Referer": f"{self._url}/hub/home"}
        return self._session.request(
            method, f"{self._url}/hub/api{path}", headers=headers, timeout=30, **arguments
        )

    def forged(self, path: str, body: object) -> int:
        """The status of a request to the API with the user's cookie, but without the token that only our pages have."""
        return self._session.post(f"{self._url}/hub/api{path}", json=body, timeout=30).status_code

    def server(self, name: str = "") -> dict[str, Any]:
        """The model of the user's server; {} if it is neither active nor pending."""
        servers = self.api("GET", f"/users/{quote(self.name)}?include_stopped_servers").json()["servers"]
        found: dict[str, Any] = servers.get(name, {})
        return found
