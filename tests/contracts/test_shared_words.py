"""Words and numbers that several parts use without importing each other: here they are held together."""

from bootstrap.config.settings import Timing
from bootstrap.worker import facts
from bootstrap.worker.settings import DEFAULT_REPORT_PERIOD
from hub.config.settings import from_document
from hub.drain import verdict
from hub.spawn import launch_request
from hub.users import names, operator_settings
from lifecycle_app.adapters import tables
from lifecycle_app.model import decision, policy
from lifecycle_app.settings import settings
from tests.hub.test_settings import GOOD
from tests.lifecycle.test_settings import WHOLE


def test_levels_are_the_same_for_worker_hub_and_lifecycle_app() -> None:
    told = {level.name.lower(): int(level) for level in policy.Level}
    assert {level.name.lower(): int(level) for level in facts.Level} == told
    assert {name: number for number, name in enumerate(verdict.LEVELS)} == told
    assert told["load"] == verdict.LOAD
    assert (told["work"], told["interaction"]) == (verdict.WORK, verdict.INTERACTION)


def test_hub_knows_each_way_of_draining_that_the_lifecycle_app_asks_for() -> None:
    assert {mode.name: mode.value for mode in verdict.Mode} == {one.name: one.value for one in decision.Drain}


def test_hub_reads_the_scopes_that_the_table_has_attributes_for() -> None:
    attributes = tables.SettingRecord.get_attributes()
    assert {names.SCOPE, operator_settings.IMAGE_SCOPE} <= set(attributes)
    assert launch_request.CONFIG_PATH == "/etc/cloudjhub/worker.json"


def test_who_is_not_told_how_often_workers_report_takes_it_for_the_same() -> None:
    """An alarm on shorter periods than the reports' never rings."""
    told = {settings(WHOLE).report_period, from_document(GOOD).report_period}
    assert told | {DEFAULT_REPORT_PERIOD} == {Timing().report_period}
