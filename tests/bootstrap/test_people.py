"""The people of a cluster: written once from the users file, then changed by conditional writes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.aws.site import Site
from bootstrap.cluster import users
from bootstrap.errors import NotBuilt, Refused, SettingsError, StepFailed
from hub.users.names import People
from tests.bootstrap.aws_in_process import emulated_aws, site_in
from tests.shared.tables import create_tables


@pytest.fixture
def unbuilt(tmp_path: Path) -> Iterator[Site]:
    with emulated_aws():
        yield site_in(tmp_path)


@pytest.fixture
def site(unbuilt: Site) -> Site:
    create_tables(unbuilt.cluster, unbuilt.aws.region)
    return unbuilt


def item(site: Site) -> dict[str, object]:
    found = site.aws.client("dynamodb").get_item(
        TableName="cloudjhub-test-settings", Key={"scope": {"S": "users"}}
    )
    told = found["Item"]
    return {"users": json.loads(told["users"]["S"]), "version": told["version"]["N"]}


def test_the_users_file_makes_the_first_people(site: Site) -> None:
    users.ensure_people(site)
    assert item(site) == {
        "users": {"users": {"ada": {"admin": True}, "bob": {}}, "removed": []},
        "version": "1",
    }


def test_the_users_file_counts_once(site: Site) -> None:
    users.ensure_people(site)
    site.settings.login.users_file.write_text("eve admin\n")
    users.ensure_people(site)
    assert "eve" not in users.read_people(site).users


def test_people_are_added_and_removed(site: Site) -> None:
    users.ensure_people(site)
    users.change_people(site, users.adding(["Carol", "dan"], admin=True))
    users.change_people(site, users.removing(["bob", "dan"], lambda _: True))
    assert users.read_people(site) == People(
        frozenset({"ada", "carol"}),
        frozenset({"ada", "carol"}),
        frozenset({"bob", "dan"}),
        {"bob": 1, "dan": 1},
    )
    assert item(site)["version"] == "3"


def test_whoever_is_added_before_the_first_people_joins_them(site: Site) -> None:
    users.change_people(site, users.adding(["carol"], admin=None))
    assert users.read_people(site).users == {"ada", "bob", "carol"}


@pytest.mark.parametrize(("admin", "after"), [(None, {"ada"}), (True, {"ada", "bob"}), (False, set())])
def test_adding_again_changes_rights_only_if_told(site: Site, admin: bool | None, after: set[str]) -> None:
    users.change_people(site, users.adding(["carol"], admin=True))
    users.change_people(site, users.adding(["ada", "bob"], admin=admin))
    assert users.read_people(site).admins == after | {"carol"}


@pytest.mark.parametrize(
    "change", [users.removing(["ada"], lambda _: True), users.adding(["ada"], admin=False)]
)
def test_the_last_administrator_is_neither_removed_nor_demoted(site: Site, change: Any) -> None:
    with pytest.raises(
        SettingsError, match="without ada: make another user one first, with `cloudjhub users add"
    ):
        users.change_people(site, change)
    users.change_people(site, users.adding(["carol"], admin=True))
    users.change_people(site, change)
    assert users.read_people(site).admins == {"carol"}


def test_nothing_is_written_where_nothing_changes(site: Site) -> None:
    users.ensure_people(site)
    users.change_people(site, users.adding(["ada"], admin=None))
    assert item(site)["version"] == "1"


def test_two_writers_lose_nothing(site: Site) -> None:
    users.ensure_people(site)
    others = iter(["carol", "dan"])

    def slow(before: People) -> People:
        for other in others:
            users.change_people(site, users.adding([other], admin=None))
            break
        return before.with_user("eve")

    users.change_people(site, slow)
    assert users.read_people(site).users == {"ada", "bob", "carol", "dan", "eve"}


def test_endless_contention_ends(site: Site) -> None:
    users.ensure_people(site)
    names = (f"user{n}" for n in range(100))

    def hopeless(before: People) -> People:
        users.change_people(site, users.adding([next(names)], admin=None))
        return before.with_user("eve")

    with pytest.raises(StepFailed, match="try again"):
        users.change_people(site, hopeless)


def test_names_go_by_the_hubs_rules() -> None:
    assert users.accepted("ÉVE") == "éve"
    for name in ("a/b", "", " a", "a\u200bb"):
        with pytest.raises(SettingsError):
            users.accepted(name)


def test_without_a_table_nothing_is_known(unbuilt: Site) -> None:
    for call in (users.read_people, users.ensure_people):
        with pytest.raises(NotBuilt, match="cloudjhub up"):
            call(unbuilt)


def test_a_damaged_record_is_not_overwritten(site: Site) -> None:
    site.aws.client("dynamodb").put_item(
        TableName="cloudjhub-test-settings",
        Item={"scope": {"S": "users"}, "users": {"S": "{"}, "version": {"N": "1"}},
    )
    with pytest.raises(Refused, match="scope `users`"):
        users.change_people(site, users.adding(["eve"], admin=None))


def test_a_missing_users_file_is_named_unless_everyone_may_come(tmp_path: Path) -> None:
    with emulated_aws():
        site = site_in(tmp_path)
        site.settings.login.users_file.unlink()
        with pytest.raises(SettingsError, match="allow_all"):
            users.first_people(site.settings)
        open_to_all = site_in(
            tmp_path, "login: {allow_all: true, trusted_users: true, users_file: missing}\n"
        )
        assert users.first_people(open_to_all.settings) == People()


def test_a_wrong_line_of_the_users_file_is_named(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    (tmp_path / "users").write_text("ada\n\nb/c admin\n")
    with pytest.raises(SettingsError, match="line 3"):
        users.first_people(site.settings)


@pytest.mark.parametrize(
    "names",
    [
        ["ada", "bob smith"],
        ["admin", "ada"],
        ["ada", "smith, john"],
        ["ada", 'the "boss"'],
        ["ada", "bob admin"],
        ["name", "user"],
    ],
)
def test_the_users_file_is_read_as_it_is_written(tmp_path: Path, names: list[str]) -> None:
    site = site_in(tmp_path)
    known = People(frozenset(names), frozenset(names[:1]))
    site.settings.login.users_file.write_text(users.users_file_text(known))
    assert users.first_people(site.settings) == known


def test_a_users_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    site.settings.login.users_file.unlink()
    site.settings.login.users_file.mkdir()
    with pytest.raises(SettingsError, match="users cannot be read"):
        users.first_people(site.settings)


def test_too_many_names_are_refused(site: Site) -> None:
    with pytest.raises(Refused, match="allow_all"):
        users.change_people(site, users.adding([f"{'x' * 200}{n}" for n in range(2000)], admin=None))
