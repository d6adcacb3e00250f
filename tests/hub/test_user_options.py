"""Options: what is not offered cannot be chosen."""

import re
from typing import Any

import pytest

from hub.spawn.options import form, instance_type_in, is_clean, lasting

ALLOWED = ("t3.medium", "t3.large")


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, "t3.medium"),
        ({"instance_type": "t3.large"}, "t3.large"),
        ({"instance_type": ["t3.large"]}, "t3.large"),
    ],
)
def test_choice(options: dict[str, Any], chosen: str) -> None:
    assert instance_type_in(options, ALLOWED) == chosen


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
        instance_type_in(options, ALLOWED)


@pytest.mark.parametrize(
    ("value", "clean"),
    [("yes", True), (["yes"], True), (True, True), ("", False), ([""], False), (None, False), (False, False)],
)
def test_a_clean_profile_is_chosen_by_any_value(value: Any, clean: bool) -> None:
    options = {"clean_profile": value}
    assert is_clean(options) is clean
    assert instance_type_in(options, ALLOWED) == "t3.medium"
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
        instance_type_in(options, ALLOWED)
    words = str(refused.value)
    assert (len(words) < 200, "\n" in words) == (True, False)


def test_form_offers_the_allowed_types_and_is_not_shown_for_one() -> None:
    html = " ".join(form(ALLOWED, "t3.large").split())
    assert re.findall(r'value="([^"]+)" required (checked)?', html) == [
        ("t3.medium", ""),
        ("t3.large", "checked"),
    ]
    assert "2 CPUs, 4 GB memory" in html
    assert "4.2 ¢ an hour while it runs" in html
    assert form(("t3.medium",), "t3.medium") == ""
