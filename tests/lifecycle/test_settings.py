"""The environment: what must be there, what may, and what is told if it is wrong."""

from datetime import timedelta

import pytest

from lifecycle_app.errors import SettingsError
from lifecycle_app.settings import Settings, settings, triggers

WHOLE = {
    "CLOUDJHUB_CLUSTER": "dev",
    "CLOUDJHUB_HUB_API": "https://hub.example/hub/api",
    "CLOUDJHUB_HUB_TOKEN_PARAMETER": "/cloudjhub/dev/lifecycle-token",
}


def test_defaults() -> None:
    assert settings(WHOLE) == Settings(
        cluster="dev",
        hub_api="https://hub.example/hub/api",
        hub_token_parameter="/cloudjhub/dev/lifecycle-token",
        report_period=timedelta(seconds=30),
        history_kept=timedelta(days=90),
    )


@pytest.mark.parametrize("name", sorted(WHOLE))
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    rest = {k: v for k, v in WHOLE.items() if k != name} | ({} if value is None else {name: value})
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        settings(rest)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLOUDJHUB_CLUSTER", "Dev"),
        ("CLOUDJHUB_CLUSTER", "a/b"),
        ("CLOUDJHUB_CLUSTER", "1a"),
        ("CLOUDJHUB_CLUSTER", "a" * 33),
        ("CLOUDJHUB_CLUSTER", "dev\n"),
        ("CLOUDJHUB_HUB_API", "hub.example"),
        ("CLOUDJHUB_REPORT_PERIOD", "0"),
        ("CLOUDJHUB_REPORT_PERIOD", "7"),
        ("CLOUDJHUB_REPORT_PERIOD", "90"),
        ("CLOUDJHUB_REPORT_PERIOD", "soon"),
        ("CLOUDJHUB_HISTORY_DAYS", "-1"),
        ("CLOUDJHUB_ROOT_KEPT", "12h"),
        ("CLOUDJHUB_ROOT_KEPT", "-1"),
        ("CLOUDJHUB_HUB_CERTIFICATE", "nonsense"),
        ("CLOUDJHUB_HUB_CERTIFICATE", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings(WHOLE | {name: value})


def test_the_longest_cluster_name() -> None:
    assert settings(WHOLE | {"CLOUDJHUB_CLUSTER": "a" * 32}).cluster == "a" * 32


@pytest.mark.parametrize("seconds", [1, 5, 10, 20, 30, 60, 300])
def test_report_periods(seconds: int) -> None:
    assert settings(WHOLE | {"CLOUDJHUB_REPORT_PERIOD": str(seconds)}).report_period == timedelta(
        seconds=seconds
    )


@pytest.mark.parametrize(
    ("value", "kept"),
    [("", None), ("never", None), ("0", timedelta(0)), ("43200", timedelta(hours=12))],
)
def test_root_disks_are_always_kept_unless_it_is_said_otherwise(value: str, kept: timedelta | None) -> None:
    assert settings(WHOLE).root_kept is None
    assert settings(WHOLE | {"CLOUDJHUB_ROOT_KEPT": value}).root_kept == kept


def test_triggers_need_nothing_to_be_set() -> None:
    assert triggers({}).cluster == "dev"
    assert triggers({}).sweep_schedule == "rate(5 minutes)"
    assert triggers({"CLOUDJHUB_SWEEP_SCHEDULE": "rate(1 minute)"}).sweep_schedule == "rate(1 minute)"
