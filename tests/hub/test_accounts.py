"""Accounts of the real hub: passwords that change, guesses that wait."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
import requests

from hub.users.names import parse, to_json
from tests.hub.accounts import PASSWORD, Account, code, set_users, start, with_authenticators
from tests.hub.emulated import Emulated
from tests.hub.machine import Machine
from tests.shared.waiting import PATIENCE, until

NETWORK = "127.193"
NEW = "another horse battery"
PEOPLE: dict[str, dict[str, bool]] = {
    **{name: {} for name in ("alice", "bert", "dora", "erin", "finn", "ina", "kai", "lea", "max")},
    "boss": {"admin": True},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """A hub that writes down in which thread bcrypt ran."""
    directory = tmp_path_factory.mktemp("accounts")
    extra = directory / "extra.py"
    extra.write_text(f"""
import bcrypt, threading
for name in ("hashpw", "checkpw"):
    def watched(*arguments, function=getattr(bcrypt, name)):
        with open({str(directory / "threads")!r}, "a") as file:
            print(threading.current_thread().name, file=file)
        return function(*arguments)
    setattr(bcrypt, name, watched)
""")
    with with_authenticators(directory, NETWORK) as found:
        found.config["hub"]["extra_config"] = str(extra)
        set_users(
            found,
            {"users": {"alice": {}, "bert": {}, "dora": {}, "erin": {}, "finn": {}, "boss": {"admin": True}}},
        )
        start(found, "native", {"allowed_failed_logins": 3})
        yield found


def member(hub: Emulated, name: str, password: str = PASSWORD, address: str = "") -> Account:
    """A browser that is logged in as `name`, who signs up first if need be."""
    browser = Account(hub.public_url, address)
    browser.sign_up(name, code(hub, name), password)
    assert browser.log_in(name, password).status_code == 302
    return browser


def is_in(browser: Account) -> bool:
    return browser.page("/hub/home").url.endswith("/hub/home")


def token(browser: Account, name: str) -> str:
    made = browser.api("POST", f"/users/{name}/tokens", json={"note": "a script"})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def status(hub: Emulated, given: str) -> int:
    """How the API answers to the token."""
    headers = {"Authorization": f"token {given}"}
    return requests.get(f"{hub.public_url}/hub/api/user", headers=headers, timeout=PATIENCE).status_code


def test_a_changed_password_ends_other_sessions_and_tokens_and_no_server(hub: Emulated) -> None:
    own = member(hub, "alice")
    other = Account(hub.public_url)
    assert other.log_in("alice", PASSWORD).status_code == 302
    own.page("/hub/spawn")
    ec2 = hub.client("ec2")
    described = until(lambda: ec2.describe_instances()["Reservations"])[0]["Instances"][0]
    machine = Machine(hub, described["InstanceId"], described["PrivateIpAddress"])
    try:
        until(lambda: own.server().get("ready"))
        script = token(own, "alice")
        assert status(hub, script) == 200

        assert own.change_password(PASSWORD, NEW, "something else").status_code == 400
        assert own.change_password("wrong", NEW).status_code == 400
        assert own.change_password(PASSWORD, "password123").status_code == 400
        assert is_in(other), "nothing was changed yet"

        changed = own.change_password(PASSWORD, NEW)
        assert (changed.status_code, "logged out elsewhere" in changed.text) == (200, True)
        assert is_in(own)
        assert not is_in(other)
        assert status(hub, script) == 403
        assert own.server()["ready"]
        assert status(hub, machine.environment["JUPYTERHUB_API_TOKEN"]) == 200
    finally:
        machine.close()
    assert other.log_in("alice", PASSWORD).status_code == 403
    assert other.log_in("alice", NEW).status_code == 302


def test_an_administrator_changes_the_password_of_another_user_alone(hub: Emulated) -> None:
    boss, bert = member(hub, "boss"), member(hub, "bert")
    script = token(bert, "bert")
    assert bert.change_password("", NEW, of="boss").status_code == 403
    assert boss.change_password("", NEW, of="zoe").status_code == 404
    assert boss.change_password("", NEW, of="boss").status_code == 403, "a stolen session must not do it"
    assert boss.page("/hub/change-password/boss").url.endswith("/hub/change-password")
    changed = boss.change_password("", NEW, of="bert")
    assert (changed.status_code, "was logged out" in changed.text) == (200, True)
    assert not is_in(bert)
    assert is_in(boss)
    assert status(hub, script) == 403
    assert bert.log_in("bert", PASSWORD).status_code == 403
    assert bert.log_in("bert", NEW).status_code == 302


def test_guesses_of_the_old_password_count_as_those_at_the_login(hub: Emulated) -> None:
    """Guesses with a stolen session lock out neither the user's own browser nor other addresses."""
    member(hub, "dora")
    thief, own = Account(hub.public_url, f"{NETWORK}.0.66"), Account(hub.public_url)
    assert thief.log_in("dora", PASSWORD).status_code == 302
    assert own.log_in("dora", PASSWORD).status_code == 302
    for _ in range(3):
        assert thief.change_password("wrong", NEW).status_code == 400
    refused = thief.change_password(PASSWORD, NEW)
    assert (refused.status_code, bool(re.search(r"Try again in \d s\.", refused.text))) == (429, True)
    assert thief.log_in("dora", PASSWORD).status_code == 429, "the login counts them too"
    assert own.log_in("dora", PASSWORD).status_code == 302
    assert own.change_password(PASSWORD, NEW).status_code == 200


def test_a_new_user_does_not_wait_because_of_a_guesser_behind_the_same_address(hub: Emulated) -> None:
    for _ in range(3):
        assert Account(hub.public_url).log_in("erin", "wrong").status_code == 403
    assert Account(hub.public_url).log_in("erin", "wrong").status_code == 429
    member(hub, "erin")


def test_what_was_typed_stays_after_a_refusal(hub: Emulated) -> None:
    """Except passwords."""
    own = code(hub, "hugo")
    page = Account(hub.public_url)
    signed = page.sign_up("hugo", own, PASSWORD, again="another one")
    assert (signed.status_code, f'value="{own}"' in signed.text) == (400, True)
    refused = page.log_in("hugo", "wrong password")
    assert (refused.status_code, 'value="hugo"' in refused.text) == (403, True)
    assert "wrong password" not in refused.text
    assert "Sign up" in refused.text


def test_wrong_codes_lock_no_user_out_behind_the_same_address(hub: Emulated) -> None:
    guesser = Account(hub.public_url)
    for _ in range(40):
        assert guesser.sign_up("gina", "AAAA-AAAA-AAAA-AAAA").status_code == 400
    member(hub, "gina")


def test_the_last_administrator_cannot_be_removed_suspended_or_demoted(hub: Emulated) -> None:
    boss = member(hub, "boss")
    member(hub, "ina")
    service = {"Authorization": f"token {token(boss, 'boss')}"}
    users = f"{hub.public_url}/hub/api/users"

    def refused(answer: requests.Response) -> bool:
        return answer.status_code == 409 and "no administrator would be left without boss" in answer.text

    assert refused(boss.post("/hub/authorize/boss")), "the page of accounts"
    for change in ({"admin": False}, {"admin": None}, {"name": "bossy"}):
        assert refused(boss.api("PATCH", "/users/boss", json=change)), change
    assert refused(requests.patch(f"{users}/boss", headers=service, json={"admin": False}, timeout=PATIENCE))
    assert refused(requests.delete(f"{users}/boss", headers=service, timeout=PATIENCE))
    # An administrator who has not signed up yet, or is suspended, cannot log in: one must be left who can.
    assert boss.api("POST", "/users/jo", json={"admin": True}).status_code == 201
    assert refused(boss.api("PATCH", "/users/boss", json={"admin": False}))
    assert boss.api("PATCH", "/users/ina", json={"admin": True}).ok
    assert boss.post("/hub/authorize/ina").ok, "there is another one"
    assert refused(boss.post("/hub/authorize/boss"))
    assert boss.page("/hub/authorize").ok
    assert boss.api("DELETE", "/users/jo").status_code == 204
    assert boss.api("PATCH", "/users/ina", json={"admin": False}).ok


def test_a_list_without_administrators_changes_nothing(hub: Emulated) -> None:
    boss = member(hub, "boss")
    set_users(hub, {"users": {**PEOPLE, "boss": {}}})
    until(lambda: "no administrator would be left without boss" in hub.log("hub"))
    assert boss.page("/hub/authorize").ok
    set_users(hub, {"users": PEOPLE})


def test_a_suspended_user_is_logged_out(hub: Emulated) -> None:
    boss, kai = member(hub, "boss"), member(hub, "kai")
    script = token(kai, "kai")
    assert boss.post("/hub/authorize/kai").ok
    assert not is_in(kai)
    assert status(hub, script) == 403
    assert boss.post("/hub/authorize/kai").ok
    assert status(hub, script) == 403


@pytest.mark.parametrize("hub_reads", [True, False], ids=["while removed", "only when added again"])
def test_the_next_user_of_a_name_has_nothing_of_the_removed_one(hub: Emulated, hub_reads: bool) -> None:
    """Also if the hub did not read the list, or did not run, while the name was removed."""
    name = "lea" if hub_reads else "max"
    people = parse(json.dumps({"users": PEOPLE}))
    former = member(hub, name)
    script = token(former, name)
    removed = people.without(name)
    if hub_reads:
        set_users(hub, json.loads(to_json(removed)))
        until(lambda: not is_in(former))
        assert former.log_in(name, PASSWORD).status_code == 403
    else:
        hub.kill_hub()
    set_users(hub, json.loads(to_json(removed.with_user(name))))
    if not hub_reads:
        hub.start_hub()
    # The hub reads the list each second.
    own = Account(hub.public_url)
    until(lambda: own.sign_up(name, code(hub, name, 1), NEW).ok)
    assert own.log_in(name, NEW).status_code == 302
    assert not is_in(former)
    assert status(hub, script) == 403
    assert former.log_in(name, PASSWORD).status_code == 403
    assert former.sign_up(name, code(hub, name)).status_code == 400
    hub.start_hub()
    assert is_in(own), "a removal is carried out once"
    assert own.log_in(name, NEW).status_code == 302
    set_users(hub, {"users": PEOPLE})


def test_the_package_has_no_page_left_that_hashes_or_changes_on_a_link(hub: Emulated) -> None:
    boss = member(hub, "boss")
    for path in ("authorize/", "authorize/alice", "discard/alice", "confirm/x"):
        assert boss.page(f"/hub/{path}").status_code in (404, 405), path


def test_bcrypt_ran_outside_the_event_loop_in_every_route(hub: Emulated) -> None:
    """Login, sign-up, both changes of a password, and a token for a password."""
    file = hub.directory / "threads"
    browser = Account(hub.public_url)
    form = {"auth": {"username": "alice", "password": "wrong"}}
    url = f"{hub.public_url}/hub/api/users/alice/tokens"
    member(hub, "boss")
    at_start = file.read_text().splitlines()
    asked: list[Callable[[], object]] = [
        lambda: browser.log_in("alice", "wrong"),
        lambda: requests.post(url, data=json.dumps(form), timeout=PATIENCE),
        lambda: browser.sign_up("finn", code(hub, "finn")),
        lambda: member(hub, "boss").change_password("wrong", NEW),
        lambda: member(hub, "boss").change_password("", NEW, of="bert"),
    ]
    for one in asked:
        before = len(file.read_text().splitlines())
        one()
        assert len(file.read_text().splitlines()) > before
    threads = file.read_text().splitlines()[len(at_start) :]
    # The hash that stands for missing accounts is made once, before the hub listens.
    assert {name.rpartition("_")[0] for name in threads} == {"bcrypt"}
    assert at_start[0] == "MainThread"
