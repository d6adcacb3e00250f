"""`secrets rotate`: which secrets, what their users notice, and that the manager is replaced with them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bootstrap.aws import secrets
from bootstrap.aws.site import Site
from bootstrap.cli.settings import secrets as command
from bootstrap.cluster.steps.manager import _secret_versions
from bootstrap.config.choices import Https
from bootstrap.errors import BootstrapError, SettingsError, StepFailed
from bootstrap.machines import tls
from bootstrap.machines.manager.secrets import TLS_CERTIFICATE, TLS_KEY
from bootstrap.operations import rotation
from tests.bootstrap.aws_in_process import emulated_aws, site_in


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with emulated_aws():
        made = site_in(tmp_path, "manager: {domain: hub.example.org, https: self-signed}\n")
        secrets.ensure(made.aws.client("ssm"), made.cluster)
        tls.rotate(made, NOW)
        yield made


NOW = datetime.now(UTC)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """The versions for which the manager was built, each time."""
    found: list[dict[str, int]] = []
    monkeypatch.setattr(
        "bootstrap.cli.settings.building.build", lambda site, _: found.append(_secret_versions(site))
    )
    return found


def values(site: Site) -> dict[str, str]:
    names = [*secrets.MAKERS, TLS_KEY, TLS_CERTIFICATE]
    ssm = site.aws.client("ssm")
    return secrets.read_if_there(ssm, site.cluster, names[:10])


def run(site: Site, *words: str, typed: str = "") -> Result:
    file = site.directory.parent / "cluster.yaml"
    result = CliRunner().invoke(command, ["rotate", *words, "--file", str(file)], input=typed)
    if isinstance(result.exception, BootstrapError):
        raise result.exception
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("name", rotation.NOTICED)
def test_one_secret_is_replaced_and_the_manager_with_it(
    site: Site, builds: list[dict[str, int]], name: str
) -> None:
    before = values(site)
    versions = _secret_versions(site)
    said = run(site, name, typed="y\n").output
    assert rotation.NOTICED[name] in said
    assert "the manager is replaced: users" in said
    after = values(site)
    changed = {one.rpartition("/")[2] for one in before if before[one] != after[one]}
    assert changed == ({"tls-key", "tls-certificate"} if name == "tls" else {name})
    assert not any(value in said for value in after.values())
    [built] = builds
    assert built != versions


def test_all_are_replaced_at_once(site: Site, builds: list[dict[str, int]]) -> None:
    before = values(site)
    run(site, "--all", "--yes")
    assert not before.items() & values(site).items()
    assert len(builds) == 1


def test_nothing_is_done_without_a_yes(site: Site, builds: list[dict[str, int]]) -> None:
    before = values(site)
    assert run(site, "--all", typed="n\n").exit_code == 1
    run(site, "--all", "--dry-run")
    assert (values(site), builds) == (before, [])


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("worker-tokenkey",), "did you mean worker-token-key"),
        (("cookie",), "did you mean cookie-secret|there are lifecycle-token"),
        (("client-secret",), "no generated secret 'client-secret'"),
        ((), "name the secrets, or give --all"),
        (("tls", "--all"), "name the secrets, or give --all"),
    ],
)
def test_wrong_names_are_refused_with_near_ones(
    site: Site, builds: list[dict[str, int]], words: tuple[str, ...], fix: str
) -> None:
    before = values(site)
    with pytest.raises(SettingsError, match=fix):
        run(site, *words, "--yes")
    assert (values(site), builds) == (before, [])


def test_a_certificate_that_is_not_ours_is_not_replaced(tmp_path: Path) -> None:
    with emulated_aws():
        site = site_in(
            tmp_path, "manager: {domain: hub.example.org, https: lets-encrypt, email: a@example.org}\n"
        )
        assert site.settings.manager.https is Https.LETS_ENCRYPT
        with pytest.raises(SettingsError, match="no generated secret 'tls'"):
            rotation.chosen(site, ["tls"], every=False)
        assert "tls" not in rotation.chosen(site, [], every=True)


@pytest.mark.parametrize("failing", range(9))
def test_a_second_run_completes_what_was_interrupted(
    site: Site, builds: list[dict[str, int]], monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """After each secret, and before the manager is replaced."""
    before, stored = values(site), secrets.put
    count = iter(range(100))

    def put(*arguments: Any) -> None:
        if next(count) == failing:
            raise StepFailed("interrupted")
        stored(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(secrets, "put", put)
        with pytest.raises(StepFailed):
            run(site, "--all", "--yes")
    assert builds == []
    run(site, "--all", "--yes")
    assert not before.items() & values(site).items()
    assert len(builds) == 1


def test_a_secret_that_was_never_replaced_does_not_replace_the_manager(site: Site) -> None:
    """Not even by an upgrade from a version without rotation."""
    assert secrets.rotated(site.aws.client("ssm"), site.cluster, secrets.MAKERS) == {}
