"""What a builder's console tells."""

from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from bootstrap.aws import waiting
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.config.settings import ClusterSettings, Network
from bootstrap.errors import StepFailed
from bootstrap.machines.image import building
from bootstrap.machines.image.building import CONSOLE_WITHIN, Outcome, outcome, tail
from bootstrap.machines.image.setup import last_line
from bootstrap.machines.image.start import FAILED

GOOD = last_line({"jupyterlab": "4.6.6"})


@pytest.mark.parametrize(
    ("console", "told"),
    [
        ("", None),
        ("[ 1.0] Linux\r\n", None),
        (GOOD, Outcome(versions={"jupyterlab": "4.6.6"})),
        (f"[ 9.1] noise\r\n[ 9.2] cloud-init[9]: {GOOD}\r\n", Outcome(versions={"jupyterlab": "4.6.6"})),
        (f"{FAILED}pip ended with 1", Outcome(failure="pip ended with 1")),
        (FAILED, Outcome(failure="no reason given")),
        (GOOD[:-5], None),
        (f"{GOOD[:-5]}[ 9.3] noise\n{GOOD}\n", Outcome(versions={"jupyterlab": "4.6.6"})),
        ("cloudjhub-image: []", None),
    ],
)
def test_how_it_went(console: str, told: Outcome | None) -> None:
    assert outcome(console) == told


def test_the_last_lines_are_shown() -> None:
    console = "\n\n".join(map(str, range(50)))
    assert tail(console).splitlines() == [str(number) for number in range(30, 50)]


class Builder:
    """An EC2 with one builder: a state and a console for each poll; the last ones stay. It is also its own `Aws`."""

    region = "us-east-1"

    def __init__(self, *polls: tuple[str, str], is_nitro: bool = True) -> None:
        self.polls = list(polls)
        self.is_nitro = is_nitro
        self.now = 0.0

    def client(self, _service: str) -> "Builder":
        return self

    def get_paginator(self, _operation: str) -> "Builder":
        return self

    def paginate(self, **_request: Any) -> list[dict[str, Any]]:
        instance = {"InstanceId": "i-1", "State": {"Name": self.polls[0][0]}}
        return [{"Reservations": [{"Instances": [instance]}]}]

    def describe_instances(self, **_request: Any) -> dict[str, Any]:
        return self.paginate()[0]

    def get_console_output(self, InstanceId: str, Latest: bool = False) -> dict[str, Any]:  # noqa: N803
        if Latest and not self.is_nitro:
            raise ClientError({"Error": {"Code": "UnsupportedOperation"}}, "GetConsoleOutput")
        return {"Output": self.polls[0][1]} if self.polls[0][1] else {}

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if len(self.polls) > 1:
            self.polls.pop(0)


def set_up(ec2: Builder, directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(waiting, "time", ec2)
    settings = ClusterSettings(
        cluster="spring", region="us-east-1", owner="me", network=Network(name="spring")
    )
    site = Site(settings=settings, aws=cast(Aws, ec2), directory=directory)
    return building._set_up(site, "i-1", lambda _: None)


@pytest.mark.parametrize("is_nitro", [True, False])
@pytest.mark.parametrize("after", ["", "[ 1.0] an older console\n"])
def test_what_the_builder_says_while_it_runs_is_enough(
    after: str, is_nitro: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EC2 shows the console of a stopped instance late, or an older one."""
    ec2 = Builder(
        ("running", ""), ("running", GOOD), ("stopping", after), ("stopped", after), is_nitro=is_nitro
    )
    assert set_up(ec2, tmp_path, monkeypatch) == {"jupyterlab": "4.6.6"}
    assert ec2.now < CONSOLE_WITHIN


def test_a_builder_that_stopped_between_two_polls_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2 = Builder(("running", ""), ("stopped", ""), ("stopped", ""), ("stopped", GOOD))
    assert set_up(ec2, tmp_path, monkeypatch) == {"jupyterlab": "4.6.6"}


def test_a_builder_that_says_nothing_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = Builder(("running", "[ 1.0] Linux\n"), ("stopped", ""))
    with pytest.raises(StepFailed, match="without saying what it holds"):
        set_up(ec2, tmp_path, monkeypatch)
    assert (tmp_path / "image-console.log").read_text() == "[ 1.0] Linux\n"
