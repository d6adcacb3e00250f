"""A user of the throw-away cluster: signs up, logs in, starts a server, as a browser does."""

import secrets
from collections.abc import Callable
from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

import requests

from bootstrap.aws.secrets import read
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report, polls
from bootstrap.cluster.users import read_people
from bootstrap.errors import StepFailed
from bootstrap.machines import tls
from bootstrap.machines.address import public_url
from hub.config.authenticators import SIGN_UP_KEY
from hub.config.origins import program_url
from hub.users.names import sign_up_code
from lifecycle_app.adapters.hub_session import session

TIMEOUT = 30.0
LISTED_WITHIN = 120.0
"""Seconds: the hub reads the list of users every minute."""
READY_WITHIN = 900.0
"""Seconds: with EC2's and the hub's own limits of a start, and one more try."""
POLL_EVERY = 0.5


class _OnThisMachine(DefaultCookiePolicy):
    """Keeps Secure cookies as ordinary ones, for requests copies them into a jar with a policy of its own."""

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        cookie.secure = False
        return super().set_ok(cookie, request)


class Visitor:
    """One user with a session at the hub. Raises StepFailed where the hub does not do what it should."""

    def __init__(self, site: Site, name: str) -> None:
        self.name = name
        self._site = site
        self._public = public_url(site.settings, site.place())
        self._url = program_url(self._public)
        self._http = session(tls.certificate_to_pin(site) or None)
        self._http.headers["Host"] = urlsplit(self._public).netloc
        if self._url.startswith("http://"):  # a hub on this machine: there browsers send Secure cookies too
            self._http.cookies.set_policy(_OnThisMachine())
        self._token = ""

    def sign_up_and_log_in(self, report: Report) -> None:
        """Makes the account with the sign-up code that an operator would give, and a token for the hub's API."""
        password = secrets.token_urlsafe(24)
        self._sign_up(password, report)
        page = f"{self._url}/hub/login"
        self._http.get(page, timeout=TIMEOUT)
        form = {"username": self.name, "password": password, "_xsrf": self._xsrf()}
        answer = self._http.post(page, data=form, timeout=TIMEOUT, allow_redirects=False)
        if answer.status_code != requests.codes.found:
            raise StepFailed(f"the hub refused the login of {self.name} ({answer.status_code})")
        self._http.get(f"{self._url}/hub/token", timeout=TIMEOUT)
        made = self._http.post(
            f"{self._url}/hub/api/users/{self.name}/tokens",
            json={"note": "cloudjhub verify"},
            headers={"X-XSRFToken": self._xsrf(), "Referer": f"{self._public}/hub/token"},
            timeout=TIMEOUT,
        )
        if not made.ok:
            raise StepFailed(f"the hub gave {self.name} no token ({made.status_code})")
        self._token = str(made.json()["token"])

    def _sign_up(self, password: str, report: Report) -> None:
        """As soon as the hub knows the user."""
        site, page = self._site, f"{self._url}/hub/signup"
        key = read(site.aws.client("ssm"), site.cluster, SIGN_UP_KEY)
        code = sign_up_code(key, site.cluster, self.name, read_people(site).generation(self.name))
        status = 0
        for _ in polls(LISTED_WITHIN):
            self._http.get(page, timeout=TIMEOUT)
            form = {
                "username": self.name,
                "code": code,
                "signup_password": password,
                "signup_password_confirmation": password,
                "_xsrf": self._xsrf(),
            }
            status = self._http.post(page, data=form, timeout=TIMEOUT).status_code
            if status == requests.codes.ok:
                return
            report(f"waiting until the hub lets {self.name} sign up ({status})")
        raise StepFailed(f"the hub did not let {self.name} sign up ({status}): see `cloudjhub logs manager`")

    def start(self, report: Report, meanwhile: Callable[[], object] = lambda: None) -> float:
        """Requests the server, and waits until it is ready; seconds. `meanwhile` is called at each look."""
        status, said = self._api("POST", "server", {})
        if status not in (requests.codes.created, requests.codes.accepted):
            raise StepFailed(f"the hub did not start the server ({status}): {str(said)[:200]}")
        gone = 0
        for waited in polls(READY_WITHIN, every=POLL_EVERY):
            meanwhile()
            _, user = self._api("GET", "")
            server = (user.get("servers") or {}).get("")
            if server and server.get("ready"):
                return waited
            gone = 0 if server or user.get("pending") else gone + 1
            if gone > 1:
                raise StepFailed("the server did not start: see `cloudjhub logs manager`")
            report(f"waiting for the server ({waited:.0f} s)")
        raise StepFailed(f"the server was not ready after {READY_WITHIN:.0f} s")

    def _api(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = self._http.request(
            method,
            f"{self._url}/hub/api/users/{self.name}" + (f"/{path}" if path else ""),
            json=body,
            headers={"Authorization": f"token {self._token}"},
            timeout=TIMEOUT,
        )
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, {}

    def _xsrf(self) -> str:
        return next((cookie.value or "" for cookie in self._http.cookies if cookie.name == "_xsrf"), "")
