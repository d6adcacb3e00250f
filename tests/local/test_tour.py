"""The tour's steps, and when a browser is opened."""

import webbrowser
from typing import Any

import pytest

from bootstrap.local import browser
from bootstrap.local.tour.steps import STEPS, Visit, guide

ORDER = [
    "log_in", "compute_in_silence", "await_stop", "come_back", "hub-down on", "work_without_hub", "hub-down off",
    "await_hub", "capacity on", "fail_to_start", "capacity off",
]  # fmt: skip


class Recorded:
    """A visit that notes what is done, and is interrupted in one of its acts."""

    def __init__(self, interrupted: str = "") -> None:
        self.done: list[str] = []
        self._interrupted = interrupted

    def fault(self, name: str, *, on: bool) -> None:
        self._note(f"{name} {'on' if on else 'off'}")

    def __getattr__(self, act: str) -> Any:
        def done() -> str:
            self._note(act)
            return f"seen: {act}"

        return done

    def _note(self, act: str) -> None:
        self.done.append(act)
        if act == self._interrupted:
            raise KeyboardInterrupt


def visit(interrupted: str = "") -> Any:
    """As the steps see it."""
    return Recorded(interrupted)


def test_each_step_is_explained_before_it_is_done_and_summed_up_after() -> None:
    one, said = visit(), list[str]()
    guide(one, said.append)
    assert one.done == ORDER
    assert said[0] == f"\n1/{len(STEPS)}  A login"
    assert said[1].startswith("The user `tour` logs in.")
    assert said[2] == "  -> seen: log_in"
    assert [line for line in said if line.startswith("\n")] == [
        f"\n{number}/{len(STEPS)}  {step.title}" for number, step in enumerate(STEPS, start=1)
    ]


@pytest.mark.parametrize("act", ORDER)
def test_an_interrupted_tour_leaves_no_fault_on(act: str) -> None:
    one = visit(act)
    with pytest.raises(KeyboardInterrupt):
        guide(one, lambda _: None)
    switched = [name for name in one.done if name.endswith((" on", " off"))]
    assert len([name for name in switched if name.endswith(" on")]) == len(switched) / 2


def test_the_recorded_visit_is_one() -> None:
    """What the steps may call exists in the protocol."""
    assert {one.split()[0] for one in ORDER} - {"hub-down", "capacity"} | {"fault"} <= set(dir(Visit))


@pytest.mark.parametrize(
    ("environment", "opens"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ""}, False),
        ({"DISPLAY": ":0", "CI": "true"}, False),
        ({"DISPLAY": ":0", "CI": ""}, True),
    ],
)
def test_a_browser_is_opened_where_there_is_a_screen_and_no_build_server(
    environment: dict[str, str], opens: bool
) -> None:
    assert browser.may_open(environment) is opens


@pytest.mark.parametrize(
    ("kind", "opened"), [(webbrowser.GenericBrowser, False), (webbrowser.BackgroundBrowser, True)]
)
def test_a_browser_in_the_terminal_is_not_opened(
    kind: type[webbrowser.GenericBrowser], opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take the terminal from the live view."""
    urls: list[str] = []

    def opened_in_it(_self: webbrowser.GenericBrowser, url: str) -> bool:
        urls.append(url)
        return True

    monkeypatch.setattr(kind, "open", opened_in_it)
    monkeypatch.setattr(webbrowser, "get", lambda: kind("it"))
    browser.show("http://hub.localhost:8000")
    assert urls == ["http://hub.localhost:8000"] * opened


def test_without_a_browser_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    browser.show("http://hub.localhost:8000")
