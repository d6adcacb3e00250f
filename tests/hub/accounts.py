"""The real hub with accounts of its own, and the browsers of those who have them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from hub.users.names import sign_up_code
from tests.hub.browser import Browser
from tests.hub.emulated import CLUSTER, Emulated, emulated
from tests.shared.waiting import PATIENCE

PASSWORD = "correct horse battery"


@contextmanager
def with_authenticators(directory: Path, network: str) -> Iterator[Emulated]:
    """AWS with the authenticators' secrets, and the proxy; `start` starts the hub."""
    with emulated(directory, network) as found:
        ssm = found.client("ssm")
        for name in ("hub/client-secret", "hub/sign-up-key"):
            found.secrets[name] = f"secret of {name}"
            ssm.put_parameter(
                Name=f"/cloudjhub/{CLUSTER}/{name}", Value=found.secrets[name], Type="SecureString"
            )
        yield found


def start(hub: Emulated, name: str, options: dict[str, Any], **more: str) -> None:
    """Starts the hub with this authenticator, for those on the list only."""
    hub.config["login"] = {"authenticator": name, "options": options, "allow_all": False}
    hub.environ |= more
    hub.start_hub()


def set_users(hub: Emulated, people: dict[str, Any]) -> None:
    item = {"scope": {"S": "users"}, "users": {"S": json.dumps(people)}}
    hub.client("dynamodb").put_item(TableName=f"cloudjhub-{CLUSTER}-settings", Item=item)


def code(hub: Emulated, name: str, generation: int = 0) -> str:
    return sign_up_code(hub.secrets["hub/sign-up-key"], CLUSTER, name, generation)


class Account(Browser):
    """A browser on the pages of accounts."""

    def sign_up(
        self, name: str, told: str = "", password: str = PASSWORD, again: str = ""
    ) -> requests.Response:
        """Submits the form."""
        self.page("/hub/signup")
        form = {
            "username": name,
            "code": told,
            "signup_password": password,
            "signup_password_confirmation": again or password,
            "_xsrf": self._session.cookies["_xsrf"],
        }
        return self._session.post(f"{self._url}/hub/signup", data=form, timeout=PATIENCE)

    def post(self, path: str) -> requests.Response:
        """Presses a button."""
        self.page("/hub/home")
        form = {"_xsrf": self._session.cookies["_xsrf"]}
        return self._session.post(self._url + path, data=form, timeout=PATIENCE)

    def change_password(self, old: str, new: str, again: str = "", of: str = "") -> requests.Response:
        """Submits the form for one's own password, or for that of another user."""
        path = f"/hub/change-password/{of}" if of else "/hub/change-password"
        self.page("/hub/home")
        form = {
            "old_password": old,
            "new_password": new,
            "new_password_confirmation": again or new,
            "_xsrf": self._session.cookies["_xsrf"],
        }
        return self._session.post(self._url + path, data=form, timeout=PATIENCE)

    def authorise(self, path: str) -> str:
        """Agrees to the use of a server; the code with which the server gets a token."""
        answer = self._session.get(self._url + path, timeout=PATIENCE, allow_redirects=False)
        if answer.status_code == 200:  # asks for another user's server
            scopes = re.findall(r'name="scopes"[^>]*value="([^"]+)"', answer.text)
            form = {"_xsrf": self._session.cookies["_xsrf"], "scopes": scopes}
            answer = self._session.post(
                self._url + path,
                data=form,
                timeout=PATIENCE,
                allow_redirects=False,
                headers={"Referer": self._url},
            )
        return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
