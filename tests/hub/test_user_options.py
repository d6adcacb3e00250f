"""Options: what is not offered cannot be chosen."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from hub.config.profiles import Profile
from hub.spawn.options import chosen_in, current, form, is_clean, lasting, offered
from hub.users.bounds import server_problem
from tests.hub.fakes import SETTINGS

PROFILES = replace(
    SETTINGS,
    profiles=(
        Profile(name="Standard", types=("t3.medium", "t3a.medium"), description="For the <lectures>"),
        Profile(name="Big data", types=("m7i.xlarge",), groups=("physics", "ds"), disk=30),
        Profile(name="GPU", types=("g4dn.xlarge", "x9.huge"), groups=("ml",)),
    ),
)


def chosen_type(options: dict[str, Any]) -> str:
    return chosen_in(options, SETTINGS, ()).types[0]


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, "t3.medium"),
        ({"instance_type": "t3.large"}, "t3.large"),
        ({"instance_type": ["t3.large"]}, "t3.large"),
    ],
)
def test_choice(options: dict[str, Any], chosen: str) -> None:
    assert chosen_type(options) == chosen


@pytest.mark.parametrize(
    "options",
    [
        {"instance_type": "p5.48xlarge"},
        {"instance_type": ""},
        {"instance_type": None},
        {"instance_type": ["t3.large", "t3.medium"]},
        {"instance_type": {"a": 1}},
        {"image": "ami-1"},
        {"instance_type": "t3.large", "image": "ami-1"},
    ],
)
def test_what_is_not_offered_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Unknown"):
        chosen_type(options)


@pytest.mark.parametrize(
    ("value", "clean"),
    [("yes", True), (["yes"], True), (True, True), ("", False), ([""], False), (None, False), (False, False)],
)
def test_a_clean_profile_is_chosen_by_any_value(value: Any, clean: bool) -> None:
    options = {"clean_profile": value}
    assert is_clean(options) is clean
    assert chosen_type(options) == "t3.medium"
    assert lasting(options | {"instance_type": "t3.large"}) == {"instance_type": "t3.large"}
    assert not is_clean({})


DEEP: Any = []
for _ in range(2000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "options",
    [
        {"instance_type": "x" * 1_000_000},
        {"x" * 1_000_000: 1},
        {f"option-{n}": n for n in range(10_000)},
        {"instance_type": DEEP},
        {"instance_type": "t3.large\n<script>"},
        {"instance_type": "T3.LARGE"},
        {"instance_type": " t3.large"},
        {"instance_type": 5},
        {"instance_type": True},
        {"instance_type": 1e999},
        {"instance_type": ["t3.large", "t3.large"]},
        {"instance_type": []},
        {"\ud800": "t3.large"},
    ],
    ids=range(13),
)
def test_hostile_options_are_refused_in_one_short_line(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Unknown") as refused:
        chosen_type(options)
    words = str(refused.value)
    assert (len(words) < 200, "\n" in words) == (True, False)


def test_form_offers_the_types() -> None:
    html = " ".join(form(SETTINGS, SETTINGS.choices, SETTINGS.choices[1]).split())
    assert re.findall(r'name="(\w+)" id="[^"]+" value="([^"]+)" required (checked)?', html) == [
        ("instance_type", "t3.medium", ""),
        ("instance_type", "t3.large", "checked"),
    ]
    assert "2 CPUs, 4 GB memory" in html
    assert "4.2 ¢ an hour while it runs" in html
    assert "where AWS has none" not in html


def test_a_card_shows_what_a_profile_is_and_escapes_its_text() -> None:
    html = " ".join(form(PROFILES, PROFILES.choices, PROFILES.choices[0]).split())
    assert re.findall(r'name="(\w+)" id="[^"]+" value="([^"]+)" required (checked)?', html) == [
        ("profile", "Standard", "checked"),
        ("profile", "Big data", ""),
        ("profile", "GPU", ""),
    ]
    for shown in (
        "For the &lt;lectures&gt;",
        "t3.medium; where AWS has none: t3a.medium",
        "1 GPU, NVIDIA T4",
        "52.6 ¢ an hour while it runs",
    ):
        assert shown in html
    assert "<lectures>" not in html


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ((), ["Standard"]),
        (("chemistry",), ["Standard"]),
        (("ds",), ["Standard", "Big data"]),
        (("ml", "physics"), ["Standard", "Big data", "GPU"]),
    ],
)
def test_what_is_offered_depends_on_the_groups(groups: Collection[str], names: list[str]) -> None:
    assert [one.name for one in offered(PROFILES, groups)] == names
    for name in names:
        assert chosen_in({"profile": [name]}, PROFILES, groups).name == name
    assert chosen_in({}, PROFILES, groups).name == "Standard"


@pytest.mark.parametrize(
    ("options", "groups", "message"),
    [
        (
            {"profile": "Big data"},
            ("ml",),
            "The profile Big data is only for members of physics or ds. Choose one of Standard, GPU.",
        ),
        ({"profile": "GPU"}, (), "The profile GPU is only for members of ml. Choose one of Standard."),
        ({"profile": "gpu"}, (), "Unknown profile 'gpu'. Choose one of Standard."),
        ({"profile": ["Standard", "GPU"]}, (), "Unknown profile (a list). Choose one of Standard."),
        (
            {"instance_type": "g4dn.xlarge"},
            ("ml",),
            "Unknown option 'instance_type'. The options are profile, clean_profile and backup.",
        ),
    ],
)
def test_a_forged_choice_is_refused_in_one_sentence(
    options: dict[str, Any], groups: Collection[str], message: str
) -> None:
    with pytest.raises(ValueError, match=r"Unknown|only for") as refused:
        chosen_in(options, PROFILES, groups)
    assert str(refused.value) == message
    assert server_problem({"user_options": options}, PROFILES, groups) == message


def test_who_is_in_no_group_of_any_profile_gets_no_machine() -> None:
    closed = replace(PROFILES, profiles=PROFILES.profiles[1:])
    with pytest.raises(ValueError, match="Ask your administrator to add you"):
        chosen_in({}, closed, ("chemistry",))
    assert chosen_in({}, closed, ("ml",)).name == "GPU", "the first one that its groups allow"


def test_a_choice_from_the_other_kind_of_settings_is_left_out() -> None:
    kept = {"instance_type": "t3.large", "profile": "GPU", "clean_profile": "yes"}
    assert current(kept, PROFILES) == {"profile": "GPU", "clean_profile": "yes"}
    assert current(kept, SETTINGS) == {"instance_type": "t3.large", "clean_profile": "yes"}
