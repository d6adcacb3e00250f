"""Options: what is not offered cannot be chosen."""

from typing import Any

import pytest

from hub.options import form, instance_type_in

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
    with pytest.raises(ValueError, match="There is no"):
        instance_type_in(options, ALLOWED)


def test_form_offers_the_allowed_types_and_is_not_shown_for_one() -> None:
    html = form(ALLOWED, "t3.large")
    assert '<option value="t3.large" selected>' in html
    assert '<option value="t3.medium">' in html
    assert form(("t3.medium",), "t3.medium") == ""
