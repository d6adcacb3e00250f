"""Logins through the real hub by each authenticator, with what says who a user is on loopback."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests

from tests.hub.accounts import PASSWORD, Account, code, set_users, start, with_authenticators
from tests.hub.emulated import Emulated
from tests.hub.provider import KEY, YES, Provider
from tests.hub.test_ldap import OURS, Directory
from tests.hub.test_ldap import PASSWORD as SECRET
from tests.shared.waiting import PATIENCE, until

NETWORK = "127.192"
LTI = "https://purl.imsglobal.org/spec/lti/claim"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """AWS and the proxy; each test starts the hub with its authenticator."""
    with with_authenticators(tmp_path_factory.mktemp("logins"), NETWORK) as found:
        yield found


@pytest.fixture
def provider() -> Iterator[Provider]:
    """What says who a user is."""
    found = Provider(f"{NETWORK}.0.3")
    yield found
    found.close()


def test_native_accounts(hub: Emulated) -> None:
    set_users(hub, {"users": {"alice": {}, "boss": {"admin": True}, "carol": {}}, "removed": ["mallory"]})
    start(hub, "native", {"requests": True, "allowed_failed_logins": 3})
    stranger = Account(hub.public_url)
    # No user takes a name that is on the list, the administrator's least of all.
    for told in ("", "AAAA-AAAA-AAAA-AAAA", code(hub, "alice")):
        answer = stranger.sign_up("boss", told)
        assert answer.status_code == 400, told
        assert "alert-danger" in answer.text
    assert stranger.sign_up("mallory", code(hub, "mallory")).status_code == 400
    for bad in ("short", "password123", "x" * 73):
        assert stranger.sign_up("boss", code(hub, "boss"), bad).status_code == 400
    assert stranger.sign_up("boss", code(hub, "boss"), PASSWORD, "other").status_code == 400
    assert stranger.log_in("boss", PASSWORD).status_code == 403

    boss = Account(hub.public_url)
    assert boss.sign_up("boss", code(hub, "boss").lower()).status_code == 200
    assert stranger.sign_up("boss", code(hub, "boss"), "another " + PASSWORD).status_code == 400, (
        "made already"
    )
    assert boss.log_in("boss", PASSWORD).status_code == 302
    assert boss.page("/hub/authorize").ok

    # A name that is on no list waits until an administrator has looked at it.
    guest = Account(hub.public_url)
    assert guest.sign_up("guest, Ms").status_code == 200
    waiting = guest.log_in("guest, ms", PASSWORD)
    assert (waiting.status_code, "not authorised yet" in waiting.text) == (403, True)
    assert guest.post("/hub/authorize/guest%2C%20ms").status_code == 403
    assert boss.page("/hub/authorize/guest%2C%20ms").status_code == 405, "a link must not do it"
    assert boss.post("/hub/authorize/guest%2C%20ms").ok
    assert guest.log_in("guest, ms", PASSWORD).status_code == 302


def logged_out(browser: Account) -> Account:
    browser.page("/hub/logout")
    return browser


def locked_out(
    browser: Callable[[], Account], wrong: Sequence[tuple[str, str]], right: tuple[str, str]
) -> requests.Response:
    """The refusal of the right name and password after as many wrong ones as are free. The first wait is short, and the
    right password forgives: on a slow machine the same is tried again until it comes within that wait.
    """

    def attempt() -> tuple[requests.Response] | None:
        for one in wrong:
            assert browser().log_in(*one).status_code == 403
        answer = browser().log_in(*right)
        assert answer.status_code in (302, 429)
        return (answer,) if answer.status_code == 429 else None

    return until(attempt, "the right password to be refused")[0]


def test_native_lockout(hub: Emulated) -> None:
    set_users(hub, {"users": {"dora": {}, "boss": {"admin": True}}})
    start(hub, "native", {"allowed_failed_logins": 3})
    browser = Account(hub.public_url)
    assert browser.sign_up("dora", code(hub, "dora")).status_code == 200
    assert browser.sign_up("an-unknown-name").status_code == 400, "no requests by default"
    assert browser.log_in("dora", PASSWORD).status_code == 302
    wrong = [("dora", password) for password in ("wrong", "x" * 100, "")]
    locked = locked_out(lambda: Account(hub.public_url), wrong, ("dora", PASSWORD))
    assert "Too many wrong passwords" in locked.text
    elsewhere = Account(hub.public_url, f"{NETWORK}.0.78")
    assert elsewhere.log_in("dora", PASSWORD).status_code == 302, "a new browser at another address"
    # Whoever tries names from the same address locks out neither another name nor the user's own browser.
    assert Account(hub.public_url).log_in("boss", "wrong").status_code == 403
    browser.page("/hub/logout")
    assert browser.log_in("dora", PASSWORD).status_code == 302
    locked_out(lambda: logged_out(browser), [("dora", "wrong")] * 3, ("dora", PASSWORD))


def test_ldap_lockout(hub: Emulated, tmp_path: Path) -> None:
    """As with our own accounts: by name and browser, or name and address; the directory is not asked any more."""
    directory = Directory(OURS.server(tmp_path))
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(OURS.certificate)
    set_users(hub, {"users": {"ada": {}, "boss": {"admin": True}}})
    options = {
        "server_address": "127.0.0.1",
        "server_port": directory.port,
        "tls": "ldaps",
        "ca_certificates": str(trusted),
        "bind_dn_template": ["uid={username},ou=people,dc=example"],
    }
    start(hub, "ldap", options)
    known = Account(hub.public_url)
    assert known.log_in("ada", SECRET).status_code == 302
    spellings = ("ada", "ADA", "ad\N{LATIN SMALL LETTER A WITH ACUTE}", "ada", "Ada")
    asked = list[int]()

    def browser() -> Account:
        asked.append(len(directory.heard))
        return Account(hub.public_url)

    locked = locked_out(browser, [(one, "wrong") for one in spellings], ("ada", SECRET))
    assert "Too many wrong passwords" in locked.text
    heard = asked[-1]
    token = {"auth": {"username": "ada", "password": SECRET}}
    url = f"{hub.public_url}/hub/api/users/ada/tokens"
    assert requests.post(url, json=token, timeout=PATIENCE).status_code == 403, "no other way in"
    assert len(directory.heard) == heard, "the directory is not asked"
    elsewhere = Account(hub.public_url, f"{NETWORK}.0.78")
    assert elsewhere.log_in("ada", SECRET).status_code == 302, "a new browser at another address"
    known.page("/hub/logout")
    assert known.log_in("ada", SECRET).status_code == 302, "a browser that has logged in before"
    assert Account(hub.public_url).log_in("boss", "wrong").status_code == 403, "another name"
    directory.close()
    known.page("/hub/logout")
    assert [known.log_in("ada", SECRET).status_code for _ in range(6)] == [503] * 6, "no guess was checked"


def is_too_long(hub: Emulated, characters: int) -> bool:
    """Is a password of that length refused before the hub has read it?"""
    try:
        answer = Account(hub.public_url).log_in("zoe", "x" * characters)
    except requests.ConnectionError:
        return True
    return answer.status_code in (400, 502, 503)


def test_what_strangers_send_is_bounded(hub: Emulated) -> None:
    set_users(hub, {"users": {"dora": {}}})
    start(hub, "native", {"allowed_failed_logins": 3})
    for _ in range(5):
        assert Account(hub.public_url).log_in("d" * 30_000, "wrong").status_code in (400, 403), (
            "never counted"
        )
    assert is_too_long(hub, 200_000)
    assert not is_too_long(hub, 30_000)
    assert Account(hub.public_url).log_in("dora", "wrong").status_code == 403, "the hub goes on"


def callback(hub: Emulated, browser: requests.Session, name: str) -> requests.Response:
    """Presses `log in`, and comes back as a user whom the provider knows."""
    asked = browser.get(f"{hub.public_url}/hub/oauth_login", allow_redirects=False, timeout=PATIENCE)
    query = parse_qs(urlsplit(asked.headers["Location"]).query)
    if hub.config["login"]["authenticator"] == "github":
        assert query["scope"] == ["read:org"]  # else GitHub lists public members only
    assert query["redirect_uri"] == [f"{hub.public_url}/hub/oauth_callback"]
    back = {"code": f"code of {name}", "state": query["state"][0]}
    return browser.get(query["redirect_uri"][0], params=back, allow_redirects=False, timeout=PATIENCE)


def oauth_options(name: str, url: str) -> dict[str, Any]:
    client = {"client_id": "the-hub"}
    if name == "github":
        return {**client, "github_url": url, "github_api": f"{url}/api", "allowed_organizations": ["school"]}
    if name == "google":
        return {**client, "hosted_domain": ["school.example"]}
    urls = {"authorize_url": f"{url}/authorize", "token_url": f"{url}/token", "userdata_url": f"{url}/me"}
    return {**client, **urls, "username_claim": "preferred_username"}


def test_a_claim_that_cannot_be_a_user_name_is_refused_with_what_would_do(
    hub: Emulated, provider: Provider
) -> None:
    set_users(hub, {"users": {"erin": {}}})
    start(hub, "oauth", oauth_options("oauth", provider.url))
    provider.answers["/token"] = {"access_token": "granted", "token_type": "bearer", "scope": "openid"}
    provider.answers["/me"] = {
        "preferred_username": "erin_mail.example#EXT#@x.example",
        "email": "erin@x.example",
    }
    refused = callback(hub, requests.Session(), "erin")
    assert refused.status_code == 403
    assert "cannot contain the character #" in refused.text
    assert "set login.options.username_claim to email" in refused.text


@pytest.mark.parametrize("name", ["github", "google", "oauth"])
def test_oauth(hub: Emulated, provider: Provider, name: str) -> None:
    set_users(hub, {"users": {"erin": {}}, "removed": ["frank"]})
    start(hub, name, oauth_options(name, provider.url), GOOGLE_API_URL=provider.url)
    token = {"access_token": "granted", "token_type": "bearer", "scope": "openid"}
    provider.answers |= dict.fromkeys(("/token", "/login/oauth/access_token", "/oauth2/v4/token"), token)
    outcomes = {}
    for user in ("Erin", "frank", "stranger"):
        mail = {"email": f"{user}@school.example", "verified_email": True, "hd": "school.example"}
        about = {"login": user, "preferred_username": user, "id": 1, **mail}
        provider.answers |= dict.fromkeys(("/me", "/api/user", "/oauth2/v1/userinfo"), about)
        browser = requests.Session()
        outcomes[user] = callback(hub, browser, user).status_code
        if user == "Erin":
            assert "erin" in browser.get(f"{hub.public_url}/hub/home", timeout=PATIENCE).text
            assert any(cookie.has_nonstandard_attr("HttpOnly") for cookie in browser.cookies)
    assert outcomes == {"Erin": 302, "frank": 403, "stranger": 403}
    sent = [form for path, _, form in provider.asked if "token" in path]
    assert hub.secrets["hub/client-secret"] not in hub.log("hub")
    assert any(form.get("client_secret") == hub.secrets["hub/client-secret"] for form in sent) or any(
        header.startswith("Basic ") for _, header, _ in provider.asked
    )


def test_github_lets_members_of_an_organization_in(hub: Emulated, provider: Provider) -> None:
    set_users(hub, {"users": {}})
    start(hub, "github", oauth_options("github", provider.url))
    provider.answers["/login/oauth/access_token"] = {"access_token": "t", "token_type": "b", "scope": ""}
    for user, outcome in (("member", 302), ("other", 403)):
        provider.answers["/api/user"] = {"login": user, "id": 1, "email": None}
        provider.answers["/api/orgs/school/members/member"] = YES
        assert callback(hub, requests.Session(), user).status_code == outcome
    del provider.answers["/api/orgs/school/members/member"]
    provider.answers["/api/user"] = {"login": "member", "id": 1, "email": None}
    assert callback(hub, requests.Session(), "member").status_code == 403, "no member any more"


def test_who_leaves_a_group_at_the_provider_starts_no_machine_and_is_logged_out(
    hub: Emulated, provider: Provider
) -> None:
    set_users(hub, {"users": {"boss": {}}})
    groups = {"auth_state_groups_key": "oauth_user.groups", "allowed_groups": ["course"]}
    start(hub, "oauth", {**oauth_options("oauth", provider.url), **groups})
    provider.answers["/token"] = {"access_token": "granted", "token_type": "bearer", "refresh_token": "r"}
    provider.answers["/me"] = {"preferred_username": "erin", "groups": ["course", "seminar"]}
    browser = requests.Session()
    assert callback(hub, browser, "erin").status_code == 302
    assert browser.get(f"{hub.public_url}/hub/home", timeout=PATIENCE).ok
    provider.answers["/me"] = {"preferred_username": "erin", "groups": []}
    refused = browser.get(f"{hub.public_url}/hub/spawn", timeout=PATIENCE)
    assert (refused.status_code, hub.instances_of("erin")) == (403, [])
    assert "may not use this hub any more" in refused.text
    home = browser.get(f"{hub.public_url}/hub/home", allow_redirects=False, timeout=PATIENCE)
    assert "/hub/login" in home.headers["Location"]
    assert callback(hub, browser, "erin").status_code == 403
    database = b"".join(one.read_bytes() for one in hub.directory.rglob("*sqlite*"))
    assert b"erin" in database
    assert b"granted" not in database, "tokens of the provider are encrypted"


def launch(hub: Emulated, provider: Provider, user: str, **changes: Any) -> int:
    """A learning platform sends one of its users over; the status of the hub's answer."""
    browser = requests.Session()
    begin = {
        "iss": provider.url,
        "login_hint": "7",
        "target_link_uri": f"{hub.public_url}/hub",
        "client_id": "tool",
    }
    asked = browser.post(
        f"{hub.public_url}/hub/lti13/oauth_login", data=begin, allow_redirects=False, timeout=PATIENCE
    )
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked.headers["Location"]).query).items()}
    assert query["redirect_uri"] == f"{hub.public_url}/hub/lti13/oauth_callback"
    claims = {
        "iss": provider.url,
        "aud": "tool",
        "sub": "7",
        "nonce": query["nonce"],
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
        "email": user,
        f"{LTI}/message_type": "LtiResourceLinkRequest",
        f"{LTI}/version": "1.3.0",
        f"{LTI}/deployment_id": "1",
        f"{LTI}/target_link_uri": begin["target_link_uri"],
        f"{LTI}/resource_link": {"id": "1"},
        f"{LTI}/roles": [],
        **changes,
    }
    form = {"id_token": jwt.encode(claims, KEY, "RS256", headers={"kid": "one"}), "state": query["state"]}
    back = browser.post(query["redirect_uri"], data=form, allow_redirects=False, timeout=PATIENCE)
    return back.status_code


def test_lti(hub: Emulated, provider: Provider) -> None:
    set_users(hub, {"users": {"gina@school.example": {}}})
    options = {
        "issuer": provider.url,
        "authorize_url": f"{provider.url}/authorize",
        "jwks_endpoint": f"{provider.url}/jwks",
        "client_id": ["tool"],
        "username_key": "email",
    }
    start(hub, "lti13", options)
    assert launch(hub, provider, "Gina@school.example") == 302
    assert launch(hub, provider, "other@school.example") == 403
    assert launch(hub, provider, "gina@school.example", aud="another") in (400, 401)
    assert launch(hub, provider, "gina@school.example", iss="https://elsewhere.example") in (400, 401)
    assert launch(hub, provider, "gina@school.example", nonce="used") == 400
    until(lambda: "User logged in: gina@school.example" in hub.log("hub"))
    assert launch(hub, provider, "") == 403, "no address was sent, and the platform's number is none"
    told = requests.get(f"{hub.public_url}/hub/lti13/config", timeout=PATIENCE).json()
    navigation, *_ = told["extensions"][0]["settings"]["placements"]
    assert navigation["windowTarget"] == "_blank", "JupyterLab does not run in a frame"
