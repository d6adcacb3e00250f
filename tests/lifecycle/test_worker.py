"""Keys and names."""

import pytest

from lifecycle_app.worker import (
    State,
    idle_alarm_name,
    idle_alarm_prefix,
    metric_namespace,
    split,
    worker_key,
    worker_name,
)


@pytest.mark.parametrize(
    ("user", "server", "key"),
    [
        ("alice", "", "alice"),
        ("alice", "gpu", "alice/gpu"),
        ("alice", "a/b", "alice/a/b"),
        ("ünï $(reboot)", "", "ünï $(reboot)"),
        ("..", "..", "../.."),
    ],
)
def test_keys_can_be_split_again(user: str, server: str, key: str) -> None:
    assert worker_key(user, server) == key
    assert split(key) == (user, server)


@pytest.mark.parametrize("user", ["", "a/b", "/"])
def test_what_is_no_user_name(user: str) -> None:
    with pytest.raises(ValueError, match="not a user name"):
        worker_key(user)


def test_names() -> None:
    assert worker_name("us-east-1a", "dev") == "JUPYTER_HUB_us-east-1a_dev_WORKER"
    assert metric_namespace("dev") == "cloudjhub/dev"
    assert idle_alarm_name("dev", "i-1") == "cloudjhub-dev-idle-i-1" == idle_alarm_prefix("dev") + "i-1"


def test_which_states_need_watching() -> None:
    assert [state.value for state in State if state.costs] == ["pending", "running", "stopping"]
