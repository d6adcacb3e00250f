"""Links in a syllabus lead through login, the form of the types and a cold start to the page on one's own server."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urljoin

import pytest
import requests

from hub.login.links import own_page
from tests.hub.accounts import PASSWORD, Account, code, set_users, start, with_authenticators
from tests.hub.browser import PASSWORD as SHARED
from tests.hub.emulated import Emulated
from tests.hub.machine import Machine, boot
from tests.shared.waiting import PATIENCE, until

NETWORK = "127.195"
REPOSITORY = "repo=https%3A%2F%2Fgithub.com%2Fexample%2Fcourse"
LINKS = {
    "ann": f"git-pull?{REPOSITORY}&branch=main&urlpath=lab%2Ftree%2Fcourse%2Fweek1.ipynb",
    "bob": "git-pull?repo=https://github.com/user/bob/course&urlpath=lab/tree/week%202/%C3%9Cbung.ipynb",
    "cleo": "lab/tree/week%202/%C3%9Cbung%3F.ipynb?autodecode&reset",
}
"""What is behind hub/user-redirect/, of a user each."""
FORM = re.compile(
    r'<form[^>]*action="([^"]*)"[^>]*method="post"|<form[^>]*method="post"[^>]*action="([^"]*)"'
)


class Visitor:
    """A browser: follows redirects, and submits the forms that it is shown."""

    def __init__(self, hub: Emulated) -> None:
        self._session = requests.Session()
        self._hub = hub

    def open(self, link: str) -> requests.Response:
        return self._session.get(self._hub.public_url + link, timeout=PATIENCE)

    def reload(self, page: requests.Response) -> requests.Response:
        return self._session.get(page.url, timeout=PATIENCE)

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        """Submits the page's form, where the form says."""
        found = FORM.search(page.text)
        assert found, page.text
        action = unescape(found[1] or found[2])
        # The form of the types has the token in its address.
        form = fields if "_xsrf=" in action else {**fields, "_xsrf": self._session.cookies["_xsrf"]}
        return self._session.post(
            urljoin(page.url, action), data=form, headers={"Referer": page.url}, timeout=PATIENCE
        )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with with_authenticators(tmp_path_factory.mktemp("links"), NETWORK) as found:
        yield found


def test_with_two_types_and_accounts_of_the_hub(hub: Emulated, machines: list[Machine]) -> None:
    set_users(hub, {"users": {name: {} for name in LINKS}})
    hub.config["workers"]["types"] = ["t3.medium", "t3.large"]
    start(hub, "native", {})
    for name, link in LINKS.items():
        Account(hub.public_url).sign_up(name, code(hub, name))
        visitor = Visitor(hub)
        asked = visitor.open(f"/hub/user-redirect/{link}")
        chosen = visitor.submit(asked, username=name, password=PASSWORD)
        assert "t3.large" in chosen.text, "the form of the types"
        waits = visitor.submit(chosen, instance_type="t3.large")
        assert_it_arrives(hub, visitor, waits, name, machines)


def test_with_one_type_and_a_login_of_jupyterhubs_own(hub: Emulated, machines: list[Machine]) -> None:
    set_users(hub, {"users": {f"{name}-2": {} for name in LINKS}})
    hub.config["workers"]["types"] = ["t3.medium"]
    start(hub, "shared-password", {})
    for name, link in LINKS.items():
        visitor = Visitor(hub)
        asked = visitor.open(f"/hub/user-redirect/{link}")
        waits = visitor.submit(asked, username=f"{name}-2", password=SHARED)
        assert_it_arrives(hub, visitor, waits, f"{name}-2", machines)


def assert_it_arrives(
    hub: Emulated, visitor: Visitor, waits: requests.Response, name: str, machines: list[Machine]
) -> None:
    """The page that waits for the start leads to the link's page, and so does the link from now on."""
    link = LINKS[name.removesuffix("-2")]
    page = f"{hub.public_url}/user/{name}/{link}"
    assert "/hub/spawn-pending/" in waits.url
    boot(hub, name, machines)
    until(lambda: visitor.reload(waits).url == page)
    assert visitor.open(f"/hub/user-redirect/{link}").url == page


def test_a_type_can_be_in_the_link(hub: Emulated, machines: list[Machine]) -> None:
    set_users(hub, {"users": {"dora": {}}})
    hub.config["workers"]["types"] = ["t3.medium", "t3.large"]
    start(hub, "shared-password", {})
    visitor = Visitor(hub)
    asked = visitor.open("/hub/spawn?next=%2Fhub%2Fuser-redirect%2Flab&instance_type=t3.large")
    waits = visitor.submit(asked, username="dora", password=SHARED)
    assert "/hub/spawn-pending/" in waits.url
    boot(hub, "dora", machines)
    until(lambda: visitor.reload(waits).url == f"{hub.public_url}/user/dora/lab")
    groups = hub.client("ec2").describe_instances()["Reservations"]
    assert "t3.large" in [one["InstanceType"] for group in groups for one in group["Instances"]]


def test_with_subdomains_the_page_is_on_the_users_own() -> None:
    class User:
        url = "https://ada.hub.example.org/user/ada/"
        escaped_name = "ada"

    class Request:
        path = "/hub/user-redirect/lab/a%20b"
        query = "reset"

    expected = "/hub/spawn/ada?next=https%3A%2F%2Fada.hub.example.org%2Fuser%2Fada%2Flab%2Fa%2520b%3Freset"
    assert own_page("lab/a b", Request, User, "/") == expected
