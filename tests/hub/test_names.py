"""User names, sign-up codes and the list of users: one spelling each, clear refusals, every mistake named."""

import re
import unicodedata
from contextlib import nullcontext
from dataclasses import replace
from itertools import combinations

import pytest

from hub.identity import worker_token
from hub.spawn.instances import filter_value
from hub.spawn.launch_request import client_token
from hub.users.handlers import server_name_problem
from hub.users.names import (
    LONGEST,
    MOST_GROUPS,
    People,
    check_administrators,
    is_code_of,
    name_problem,
    normalised,
    parse,
    sign_up_code,
    to_json,
)
from lifecycle_app.model.worker import worker_key

ACCEPTED = [
    "ada",
    "ada.lovelace@example.org",
    "$(reboot)",
    "`id`",
    "a; rm -rf ~",
    "a && b | c",
    "o'neill",
    '"quoted"',
    "-rf",
    "a b",
    "..a",
    "ada-1",
    "ada_1",
    "ada.1",
    "аda",  # with a Cyrillic letter
    "müller",
    "李",
    "🐧",
    "a*",
    "a[b]",
    "x" * LONGEST,
    "é" * (LONGEST // 2),
]

REFUSED = [
    ("", "empty"),
    (".", "dots"),
    ("..", "dots"),
    ("../etc/passwd", "character /"),
    ("a/b", "character /"),
    ("a\\b", "character \\"),
    ("a%2fb", "character %"),
    ("a?b", "character ?"),
    ("a#b", "character #"),
    ("<b>", "character <"),
    (" ada", "space"),
    ("ada ", "space"),
    ("a\nb", "U+000A"),
    ("a\0b", "U+0000"),
    ("a\u200bb", "U+200B"),
    ("a\u202eb", "U+202E"),
    ("a\u2028b", "U+2028"),
    ("a\u00a0b", "unusual space"),
    ("a\ud800b", "U+D800"),
    ("a\ue000b", "U+E000"),
    ("ａda", "plain ones"),  # full width
    ("ﬁx", "plain ones"),  # a ligature
    ("x" * (LONGEST + 1), "too long"),
    ("é" * (LONGEST // 2 + 1), "too long"),
]


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    assert name_problem(normalised(name)) is None


@pytest.mark.parametrize(("name", "words"), REFUSED)
def test_refused_with_the_reason(name: str, words: str) -> None:
    why = name_problem(normalised(name))
    assert why is not None
    assert words in why


@pytest.mark.parametrize("name", ["gpu", "a", "gpu-2", "x" * 30])
def test_accepted_server(name: str) -> None:
    assert server_name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "$(reboot)",
        "a b",
        "GPU",
        "müller",
        "a/b",
        "..",
        "-a",
        "a-",
        "a--b",
        "2",
        "x" * 31,
        "a\n",
        "a\u200bb",
    ],
)
def test_refused_server_is_told_what_is_possible(name: str) -> None:
    why = server_name_problem(name)
    assert why is not None
    assert "lower-case letters a to z" in why


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ada", "ada"), ("MÜLLER", "müller"), ("mu\u0308ller", "m\u00fcller"), ("\u212birn", "åirn")],
)
def test_equivalent_spellings_are_one_name(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_normalising_again_changes_nothing() -> None:
    """Or a name would be refused at the second login, or become another one."""
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character) not in ("Cn", "Co", "Cs"):
            once = normalised(character)
            assert normalised(once) == once, hex(code)


def test_different_names_share_nothing() -> None:
    """Nothing is cut, slugged or joined: keys, tokens of instances and tokens of servers differ."""
    keys = [worker_key(normalised(name), server) for name in ACCEPTED for server in ("", "gpu")]
    tokens = {key: client_token({"tags": key}, None, 0) for key in keys}
    servers = {key: worker_token("secret", "test", key, "i-1") for key in keys}
    for one, other in combinations(keys, 2):
        assert one != other
        assert tokens[one] != tokens[other]
        assert servers[one] != servers[other]


def test_client_token_is_what_ec2_takes_and_tells_launches_apart() -> None:
    token = client_token({"a": "李"}, None, 0)
    assert len(token) == 64
    assert token.isascii()
    others = [
        client_token({"a": "b"}, None, 0),
        client_token({"a": "李"}, "i-1", 0),
        client_token({"a": "李"}, None, 1),
    ]
    assert len({token, *others}) == 4
    assert token == client_token({"a": "李"}, None, 0)


def test_server_token_depends_on_key_cluster_worker_and_instance() -> None:
    tokens = {
        worker_token("k", "c", "ada", "i-1"),
        worker_token("l", "c", "ada", "i-1"),
        worker_token("k", "d", "ada", "i-1"),
        worker_token("k", "c", "bob", "i-1"),
        worker_token("k", "c", "ada", "i-2"),
    }
    assert len(tokens) == 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ada@x.org", "ada@x.org"), ("a*b", "a*b"), ("a[b]", "a*b*"), ("$(x)", "*x*"), ("李", "李")],
)
def test_filter_value_has_only_wildcards_that_widen(name: str, expected: str) -> None:
    assert filter_value(name) == expected


CODE = sign_up_code("key", "spring", "ada")


def test_code_follows_from_key_cluster_and_name() -> None:
    assert re.fullmatch(r"([A-Z2-7]{4}-){3}[A-Z2-7]{4}", CODE)
    assert sign_up_code("key", "spring", "ada") == CODE
    others = {
        sign_up_code(*those)
        for those in (("k", "spring", "ada"), ("key", "s", "ada"), ("key", "spring", "李"))
    }
    assert len(others | {CODE}) == 4


@pytest.mark.parametrize("told", [CODE, CODE.lower(), CODE.replace("-", ""), f"  {CODE.replace('-', ' ')} "])
def test_code_may_be_typed_in_any_way(told: str) -> None:
    assert is_code_of(told, "key", "spring", "ada")
    assert not is_code_of(told, "key", "spring", "bob")
    assert not is_code_of(told, "key", "spring", "ada", 1), "of the user who was removed"


@pytest.mark.parametrize("told", ["", "-", CODE[:-1], CODE + "A", "\ud800", "ä" * 16])
def test_anything_else_is_no_code(told: str) -> None:
    assert not is_code_of(told, "key", "spring", "ada")


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
        ('{"generations": [1]}', "`generations`"),
        ('{"generations": {"bob": 0}}', "`generations`"),
        ('{"generations": {"bob": true}}', "`generations`"),
        ('{"teaches": ["bob"]}', "`teaches`"),
        ('{"teaches": {"bob": "physics"}}', "`teaches`"),
        ('{"teaches": {"bob": [1]}}', "`teaches`"),
        ('{"teaches": {"bob": [" physics"]}}', "a group's name"),
    ],
)
def test_mistake_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_what_is_written_is_read() -> None:
    known = people().with_user("Ada").with_user("boss", admin=True).with_user("李").without("bob")
    assert known == replace(people("ada boss 李", "boss", "bob"), generations={"bob": 1})
    assert parse(to_json(known)) == known
    again = known.with_user("BOB").without("boss").with_user("boss")
    assert again == replace(people("ada boss bob 李"), generations={"bob": 1, "boss": 1})


def test_teachers_are_kept_until_they_are_removed() -> None:
    known = (
        people("ada").teaching("Ada", "physics", is_teacher=True).teaching("ada", "Maths", is_teacher=True)
    )
    assert known.teaches == {"ada": {"physics", "Maths"}}
    assert parse(to_json(known)) == known
    assert known.with_user("bob").teaches == known.teaches
    assert known.teaching("ada", "physics", is_teacher=False).teaches == {"ada": {"Maths"}}
    assert known.without("ada").teaches == {}
    for n in range(MOST_GROUPS - 2):
        known = known.teaching("ada", f"group {n}", is_teacher=True)
    with pytest.raises(ValueError, match="the most that are allowed"):
        known.teaching("ada", "one more", is_teacher=True)


@pytest.mark.parametrize("group", ["", " physics", "x" * 256, "a\nb", "a\u202eb"])
def test_a_groups_name_is_bounded_and_printable(group: str) -> None:
    with pytest.raises(ValueError, match="printable characters"):
        people("ada").teaching("ada", group, is_teacher=True)


def test_each_removal_of_a_name_counts_once() -> None:
    known = people("bob").without("bob").without("Bob")
    assert known.generation("bob") == 1
    assert known.with_user("bob").without("bob").generation("bob") == 2
    assert people(removed="bob").with_user("bob").generation("bob") == 1, "removed by an earlier version"
    assert parse(to_json(known.with_user("bob"))).generation("bob") == 1
    assert (known.generation("ada"), people("ada").with_user("ada").generations) == (0, {})


@pytest.mark.parametrize(
    ("before", "after", "is_refused"),
    [
        ("", "", False),
        ("", "ada", False),
        ("ada", "ada", False),
        ("ada", "bob", False),
        ("ada", "", True),
        ("ada bob", "", True),
    ],
)
def test_the_last_administrator_stays(before: str, after: str, is_refused: bool) -> None:
    with (
        pytest.raises(ValueError, match="no administrator would be left without ada")
        if is_refused
        else nullcontext()
    ):
        check_administrators(set(before.split()), set(after.split()))
