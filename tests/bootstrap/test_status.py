"""`status` and `open`, over a cluster that is half built and over none."""

import io
import json
import webbrowser
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from bootstrap.aws.site import Site
from bootstrap.cli.status import _table, in_pairs, open_, status
from bootstrap.errors import NotBuilt, Unhealthy
from bootstrap.machines import tls
from bootstrap.operations.health.facts import Hub
from bootstrap.operations.health.overview import Overview, workers_of
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import plain
from lifecycle_app.model.worker import State
from tests.bootstrap.clusters import NOW, built
from tests.bootstrap.half_built import MOTO_WARNS, build_half, unbuilt

pytestmark = pytest.mark.filterwarnings(MOTO_WARNS)

WELL = Overview(
    cluster="spring",
    stacks={"cloudjhub-spring-data": "UPDATE_COMPLETE"},
    hub=Hub(url="https://hub.example.org", version="6.1.1"),
    manager="running",
    image="ami-1",
    functions={"cloudjhub-spring-sweep": True},
    dead_letters=0,
    workers={"running": 2},
    dollars=1.5,
    policy={"idle_timeout": "1 h"},
    budgets="",
    dashboard="https://example.org/dashboard",
)


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({}, None),
        ({"workers": {}}, None),
        ({"stacks": {"s": ""}}, "the stack s is missing"),
        ({"stacks": {"s": "UPDATE_ROLLBACK_FAILED"}}, "the stack s is UPDATE_ROLLBACK_FAILED"),
        ({"manager": "stopped"}, "the manager is stopped"),
        (
            {"hub": Hub(url="https://x", trouble="it answers 503")},
            "the hub does not answer: it answers 503",
        ),
        ({"image": ""}, "the cluster has no worker image"),
        ({"functions": {"f": False}}, "the function f is missing or incomplete"),
        ({"dead_letters": 3}, "3 events are in the dead-letter queue"),
    ],
)
def test_what_is_unhealthy(changes: dict[str, object], trouble: str | None) -> None:
    found = replace(WELL, **changes)  # type: ignore[arg-type]  # the table names fields of several types
    assert found.troubles == ([trouble] if trouble else [])


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(1.5, "$1.50 for the workers' running time"), (None, "unknown: no prices are known for this region")],
)
def test_the_months_cost(dollars: float | None, shown: str) -> None:
    output = io.StringIO()
    Console(file=output, width=200).print(_table(replace(WELL, dollars=dollars)))
    assert shown in output.getvalue()
    assert WELL.dashboard in output.getvalue()
    output = io.StringIO()
    long = "https://example.org/" + "x" * 100
    Console(file=output, width=80).print(_table(replace(WELL, dashboard=long)))
    assert long in "".join(line.strip() for line in output.getvalue().splitlines()), "folded, never cut"


def test_the_months_cost_is_that_of_all_its_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not of those alone that have not ended."""
    template = {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"T": {"Value": {"Ref": "T"}}}}
    with built(monkeypatch, tmp_path) as made:
        made.site.aws.client("cloudformation").create_stack(
            StackName="cloudjhub-spring-data", TemplateBody=json.dumps(template)
        )
        bob = made.worker("bob", state=State.STOPPED)
        made.store.add_history(
            Entry(
                key="bob",
                at=NOW,
                kind=Kind.RUN,
                reason="idle",
                message=plain(""),
                instance_id=bob.instance_id,
                seconds=3600,
                cost=0.75,
            )
        )
        assert [one.cost for one in workers_of(made.site, NOW)] == [0.75]


def test_nothing_is_built(tmp_path: Path) -> None:
    with unbuilt(tmp_path):
        result = CliRunner().invoke(status, [])
    assert isinstance(result.exception, NotBuilt)
    assert str(result.exception) == "there is no cluster spring in us-east-1: run `cloudjhub up` first"
    assert result.exception.exit_code == 3


@pytest.fixture(scope="module")
def half_built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with unbuilt(tmp_path_factory.mktemp("half")) as found:
        build_half(found)
        yield found


def test_a_half_built_cluster(half_built: Site) -> None:
    result = CliRunner().invoke(status, ["--json"])
    assert isinstance(result.exception, Unhealthy), result.exception
    assert result.exception.exit_code == 5
    told = json.loads(result.output)
    assert told["healthy"] is False
    assert told["stacks"]["cloudjhub-spring-place"] == "CREATE_COMPLETE"
    assert told["hub"]["url"] == f"https://{half_built.place()['PublicAddress']}"
    assert told["manager"] == ""
    assert set(told["functions"].values()) == {False}
    assert told["workers"] == {}
    assert told["troubles"][:3] == [
        "the manager is missing",
        "the hub does not answer: nothing listens there (yet)",
        "the cluster has no worker image",
    ]


def test_the_same_for_people(half_built: Site) -> None:
    lines = CliRunner().invoke(status, []).output.splitlines()
    assert lines[0].split() == ["cluster", "spring"]
    assert "no user has logged in yet" in "\n".join(lines)


def test_open_prints_the_address_where_there_is_no_browser(
    half_built: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def no_browser(url: str) -> bool:
        opened.append(url)
        return False

    monkeypatch.setattr(webbrowser, "open", no_browser)
    url = f"https://{half_built.place()['PublicAddress']}"
    result = CliRunner().invoke(open_, [])
    assert result.exit_code == 0
    assert opened == [url]
    assert result.stdout.splitlines()[-1] == url
    pair = tls.stored(half_built)
    assert pair is not None
    assert in_pairs(pair.fingerprint) in result.stderr


def test_open_with_print_opens_nothing(half_built: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: pytest.fail(f"opened {url}"))
    result = CliRunner().invoke(open_, ["--print"])
    assert result.stdout.splitlines() == [f"https://{half_built.place()['PublicAddress']}"]


def test_a_fingerprint_as_browsers_show_it() -> None:
    assert in_pairs("ab01ff") == "AB:01:FF"
