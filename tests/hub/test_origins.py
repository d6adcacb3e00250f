"""Which origin a user's servers have, and which requests of other origins are refused."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.config.origins import (
    is_from_foreign_page,
    is_loopback,
    is_name,
    is_users_host,
    leads_to_another,
    program_url,
    subdomain,
)
from hub.users.names import name_problem, normalised

HUB = "hub.example.org"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
names = st.text(min_size=1, max_size=80).map(normalised).filter(lambda name: name_problem(name) is None)
tricky = (
    st.text("ab-1._@é", min_size=1, max_size=70).map(normalised).filter(lambda name: not name_problem(name))
)


@pytest.mark.parametrize("name", ["ada", "a", "1234567", "ada-lovelace", "x" * 63])
def test_a_name_that_is_a_label_is_the_subdomain(name: str) -> None:
    assert subdomain(name, HUB, "user") == f"{name}.{HUB}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ada@example.org", "adaexampleorg"),
        ("ada.lovelace", "adalovelace"),
        ("bob--ross", "bobross"),
        ("-ada", "ada"),
        ("ada_", "ada"),
        ("_acme-challenge", "acmechallenge"),
        ("雪", "x"),
        ("x" * 64, "x" * 20),
        ("u-ada--0123456789abcdef0123456789abcdef", "uada0123456789abcdef"),
    ],
)
def test_any_other_name_has_a_hash(name: str, hint: str) -> None:
    label = subdomain(name, HUB, "user").removesuffix(f".{HUB}")
    assert re.fullmatch(rf"u-{hint}--[0-9a-f]{{32}}", label)


@given(names | tricky)
def test_it_is_always_one_label_that_a_wildcard_covers(name: str) -> None:
    label = subdomain(name, HUB, "user").removesuffix(f".{HUB}")
    assert LABEL.fullmatch(label)
    assert label[2:4] != "--", "reserved for international names"


@given(names | tricky, names | tricky)
@example("ada.b", "adab")
@example("ada.b", "ada_b")
def test_two_users_never_share_an_origin(one: str, other: str) -> None:
    """Nor does a user share one with a service."""
    hosts = {subdomain(one, HUB, "user"), subdomain(other, HUB, "user"), subdomain(one, HUB, "service")}
    assert len(hosts) == (2 if one == other else 3)
    assert not any(is_users_host(host, other) for host in hosts for other in hosts), "none is below another"


def browser(site: str, mode: str) -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}


@pytest.mark.parametrize(
    ("method", "path", "headers", "is_refused"),
    [
        ("GET", "/home", browser("same-site", "cors"), True),
        ("GET", "/home", browser("cross-site", "no-cors"), True),
        ("OPTIONS", "/api/users", browser("same-site", "cors"), True),
        ("GET", "/api/user", browser("same-site", "websocket"), True),
        ("POST", "/login", browser("same-site", "navigate"), True),
        ("POST", "/spawn", browser("cross-site", "navigate"), True),
        ("POST", "/lti13/oauth_callback", browser("cross-site", "navigate"), False),
        ("GET", "/home", browser("same-site", "navigate"), False),
        ("HEAD", "/home", browser("cross-site", "navigate"), False),
        ("POST", "/login", browser("same-origin", "navigate"), False),
        ("POST", "/api/users/ada/tokens", browser("same-origin", "cors"), False),
        ("GET", "/login", browser("none", "navigate"), False),
        ("POST", "/api/cloudjhub/drain", {}, False),
    ],
)
def test_pages_of_other_origins_can_only_open_the_hubs(
    method: str, path: str, headers: dict[str, str], is_refused: bool
) -> None:
    assert is_from_foreign_page(method, path, headers) is is_refused


@pytest.mark.parametrize(
    ("host", "is_a_users"),
    [
        (HUB, False),
        (f"{HUB}:8443", False),
        ("10.77.0.10:8081", False),
        (f"evil{HUB}", False),
        (f"mallory.{HUB}", True),
        (f"MALLORY.{HUB}.:8443", True),
        (f"a.b.{HUB}", True),
    ],
)
def test_hosts_of_users(host: str, is_a_users: bool) -> None:
    assert is_users_host(host, HUB) is is_a_users


@pytest.mark.parametrize(
    ("url", "is_anothers"),
    [
        ("/user/mallory/x.html", True),
        ("/hub/user/mallory/x.html", True),
        ("/hub/spawn/mallory", True),
        ("/hub/spawn-pending/mallory?next=/hub/home", True),
        ("/user/ada/../mallory/x", True),
        ("/user/ada/%2e%2e/mallory/x", True),
        ("//user/mallory", False),  # of a host that is called user, which JupyterHub refuses
        ("/us\ter/mallory/x", True),
        ("/%75ser/mallory/x", True),
        ("/user//mallory/", True),
        ("https://mallory.hub.example.org/user/mallory/", True),
        ("/user/ada/lab?file=/user/mallory/x", False),
        ("/user/ada/lab", False),
        ("https://ada.hub.example.org/user/ada/", False),
        ("/hub/spawn", False),
        ("/hub/spawn/ada/gpu", False),
        ("/hub/home", False),
        ("/hub/user-redirect/lab", False),
        ("/user", False),
        ("/", False),
        ("", False),
    ],
)
def test_links_to_another_users_server(url: str, is_anothers: bool) -> None:
    assert leads_to_another(url, "ada") is is_anothers


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("http://hub.localhost:8000", "http://127.0.0.1:8000"),
        ("http://hub.localhost", "http://127.0.0.1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://hub.example.org", "https://hub.example.org"),
    ],
)
def test_names_below_localhost_are_resolved_for_programs(url: str, reached: str) -> None:
    assert program_url(url) == reached


@pytest.mark.parametrize(
    ("host", "loopback", "name"),
    [
        ("localhost", True, False),
        ("hub.localhost", True, True),
        ("127.77.0.1", True, False),
        ("::1", True, False),
        ("hub.example.org", False, True),
        ("localhost.example.org", False, True),
        ("10.0.0.1", False, False),
        ("hub", False, False),
        ("", False, False),
    ],
)
def test_hosts(host: str, loopback: bool, name: bool) -> None:
    assert (is_loopback(host), is_name(host)) == (loopback, name)
