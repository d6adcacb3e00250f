"""cluster.yaml as it is written: whatever is written is read again as the same, and every key is explained."""

from dataclasses import is_dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from bootstrap.config.policy import IdlePolicy
from bootstrap.config.reading import settings_in
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Timing, Workers, fields_of
from bootstrap.config.writing import text
from lifecycle_app.model.policy import READERS
from tests.bootstrap.cluster_settings import DIRECTORY, FILE, clusters

PLAIN = ClusterSettings(
    cluster="physics",
    region="us-east-1",
    owner="Ada",
    network=Network(name="physics"),
    login=Login(trusted_users=True),
)


@given(clusters)
@settings(deadline=None, max_examples=120)
def test_what_is_written_is_read_again(cluster: ClusterSettings) -> None:
    assert settings_in(text(cluster, DIRECTORY).encode(), FILE) == cluster


@given(clusters)
@settings(deadline=None, max_examples=25)
def test_other_readers_of_yaml_understand_it_too(cluster: ClusterSettings) -> None:
    found = yaml.safe_load(text(cluster, DIRECTORY))
    assert found["owner"] == cluster.owner
    assert found["login"].get("options") or cluster.login.options == {}


@pytest.mark.parametrize("kind", [ClusterSettings, Network, Workers, Manager, Login, IdlePolicy, Timing])
def test_settings_are_described_and_written(kind: type) -> None:
    """Only what its name explains has no description."""
    written = text(PLAIN, Path())
    for name, field in fields_of(kind).items():
        if not is_dataclass(field.annotation) and name != "policy":
            assert f" {name}: " in written or f"\n{name}: " in written
            assert field.description or name == "port" or name.endswith("_schedule")


def test_every_field_of_the_policy_can_be_set() -> None:
    assert set(fields_of(IdlePolicy)) == set(READERS)


def test_every_line_can_be_switched_on() -> None:
    """What stands behind a # is a right line of its own, with the section's other lines as they are."""
    written = text(PLAIN, Path()).splitlines()
    commented = [n for n, line in enumerate(written) if line.startswith(("  # ", "# alerts"))]
    assert len(commented) > 20
    together = {
        "vpc",
        "manager_subnet",
        "worker_subnets",
        "certificate",
        "key",
        "subdomains",
        "hosted_zone",
        "acme_zone",
        "profiles",
    }
    for n in commented:
        key = written[n].split()[1].rstrip(":")
        if key not in together:
            lines = [line.replace("# ", "", 1) if at == n else line for at, line in enumerate(written)]
            settings_in("\n".join(lines).encode(), Path("cluster.yaml"))


def test_a_file_for_a_newcomer() -> None:
    written = text(PLAIN, Path())
    assert "cluster: physics " in written
    assert "  # domain: hub.example.org " in written
    assert max(map(len, written.splitlines())) <= 130
