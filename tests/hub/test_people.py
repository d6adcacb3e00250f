"""Who belongs to the cluster: one JSON text and one kind of file, with every mistake named."""

from pathlib import Path

import pytest

from hub.errors import SettingsError
from hub.users.names import People, from_file, parse, to_json


def people(users: str = "", admins: str = "", removed: str = "") -> People:
    return People(frozenset(users.split()), frozenset(admins.split()), frozenset(removed.split()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{}", people()),
        ('{"users": {"alice": {}}}', people("alice")),
        ('{"users": {"Alice": {"admin": true}}, "removed": ["bob"]}', people("alice", "alice", "bob")),
        ('{"users": {"alice": {"admin": true}}, "removed": ["ALICE"]}', people("", "", "alice")),
        ('{"users": {"m\u0308": {"admin": false, "mail": "x"}}, "later": 1}', people("m\u0308")),
    ],
)
def test_reads_names_as_the_hub_knows_them_and_removed_wins(text: str, found: People) -> None:
    assert parse(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ("[]", "not an object"),
        ('{"users": ["alice"]}', "`users`"),
        ('{"users": {"alice": true}}', "`users`"),
        ('{"users": {"alice": {"admin": "yes"}}}', "`admin` of 'alice'"),
        ('{"users": {"a/b": {}}}', "character /"),
        ('{"removed": "bob"}', "`removed`"),
        ('{"removed": [1]}', "`removed`"),
    ],
)
def test_mistake_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_what_is_written_is_read() -> None:
    known = people().with_user("Ada").with_user("boss", admin=True).with_user("李").without("bob")
    assert known == people("ada boss 李", "boss", "bob")
    assert parse(to_json(known)) == known
    assert known.with_user("BOB").without("boss").with_user("boss") == people("ada boss bob 李")


def test_users_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# class of 2026\n\nAda\nbob the builder\nboss admin\n", encoding="utf-8")
    found = from_file(file)
    assert found == People(frozenset({"ada", "bob the builder", "boss"}), frozenset({"boss"}))


def test_bad_line_in_the_users_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ada\n../bob\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"users, line 2: .*character /"):
        from_file(file)
