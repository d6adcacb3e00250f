"""The manager that an update replaces: what `up` needs to go back to it."""

import json
from dataclasses import replace

import pytest

from bootstrap.machines.manager.config import CONFIG_PATH
from bootstrap.machines.manager_request import user_data
from bootstrap.machines.previous_manager import Previous, config_in, previous_in
from tests.bootstrap.manager_examples import CONFIG

PREVIOUS = Previous(
    image="ami-0123456789abcdef0", type="t4g.small", disk=8, content="c" * 64, user_data=user_data(CONFIG)
)


def test_a_manager_is_known_by_its_user_data() -> None:
    """Whole: with its address, its bundle and its state disk."""
    assert config_in(user_data(CONFIG)) == CONFIG
    assert previous_in(PREVIOUS.to_json()) == PREVIOUS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#!/bin/sh\n{}",
        "#cloud-config\nwrite_files: []",
        "#cloud-config\n{}",
        "#cloud-config\n" + json.dumps({"write_files": [{"path": "/etc/motd", "content": "hello"}]}),
        "#cloud-config\n"
        + json.dumps({"write_files": [{"path": str(CONFIG_PATH), "content": '{"newer": 1}'}]}),
    ],
)
def test_what_this_version_cannot_launch_is_no_manager_to_go_back_to(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        config_in(text)
    assert previous_in(replace(PREVIOUS, user_data=text).to_json()) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"image": "ami-1"})])
def test_an_object_of_another_kind_is_no_manager(text: str) -> None:
    assert previous_in(text) is None
