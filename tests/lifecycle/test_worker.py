"""Keys and names."""

import pytest

from lifecycle_app.contract import CLUSTER_NAME, idle_alarm_name, idle_alarm_prefix, metric_namespace
from lifecycle_app.model.worker import State, split, worker_key, worker_name


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
def test_what_is_not_a_user_name(user: str) -> None:
    with pytest.raises(ValueError, match="not a user name"):
        worker_key(user)


def test_names() -> None:
    assert worker_name("us-east-1a", "dev") == "JUPYTER_HUB_us-east-1a_dev_WORKER"
    assert metric_namespace("dev") == "cloudjhub/dev"
    assert idle_alarm_name("dev", "i-1") == "cloudjhub-dev-idle-i-1" == idle_alarm_prefix("dev") + "i-1"


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("a", True),
        ("a" * 32, True),
        ("a" * 33, False),
        ("a-1", True),
        ("1a", False),
        ("-a", False),
        ("A", False),
        ("a*", False),
        ("a\n", False),
        ("", False),
    ],
)
def test_a_cluster_name_is_the_same_to_all(name: str, is_good: bool) -> None:
    assert bool(CLUSTER_NAME.match(name)) is is_good


def test_which_states_need_watching() -> None:
    assert [state.value for state in State if state.costs] == ["pending", "running", "stopping"]
