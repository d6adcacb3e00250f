"""The generated pages of the reference name what the code has: nothing is left out, and nothing is invented."""

import re

import pytest

from bootstrap.aws.names import HANDLERS
from bootstrap.cluster.policies import builder_policy, lifecycle_policies, manager_policy, worker_policy
from bootstrap.cluster.policies.operator import operator_policies
from docs.site import failures, generated, monitoring
from hub.spawn.launcher import ENDED, MESSAGES
from lifecycle_app.contract import METRIC_UNITS
from lifecycle_app.model.history import Kind


@pytest.fixture(scope="module")
def watched() -> str:
    return monitoring.page()


def test_all_functions_metrics_and_alarms_are_named(watched: str) -> None:
    assert {name for name, _, _ in monitoring.functions()} == {f"`{name}`" for name in HANDLERS}
    assert all(f"| `{name}` |" in watched for name in METRIC_UNITS)
    assert all(f"| `{alarm['AlarmName']}` |" in watched for alarm in monitoring.all_alarms())
    assert all(f"| `{kind}` |" in watched for kind in Kind)
    assert "| `cloudjhub_drains_total` | Answers" in watched


def test_a_function_is_shown_with_what_invokes_it(watched: str) -> None:
    assert (
        "| `stop_requested` | event `Stop Requested` of `cloudjhub.hub` | The hub or an operator" in watched
    )
    assert "| `sweep` | `rate(5 minutes)` | Decides about every worker that is due" in watched


def test_every_permission_of_every_role_is_named() -> None:
    page = generated.permissions()
    policies = {
        **lifecycle_policies(generated.SCOPE),
        **operator_policies(generated.SCOPE),
        "manager": manager_policy(generated.SCOPE),
        "worker": worker_policy(generated.SCOPE),
        "builder": builder_policy(generated.SCOPE),
    }
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert rows.keys() == policies.keys()
    for name, policy in policies.items():
        for statement in policy["Statement"]:
            actions = statement.get("Action", [])
            for action in [actions] if isinstance(actions, str) else actions:
                assert f"`{action}`" in rows[name]


def test_every_reason_of_a_failed_start_is_named() -> None:
    page = generated.reasons()
    assert all(
        f"| `{code}` |" in page and message in page for code, (_, message) in {**MESSAGES, **ENDED}.items()
    )


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("there is no manager: run `up`", "there is no manager", "run `up`"),
        ("AWS is busy. Try again in a minute.", "AWS is busy", "Try again in a minute."),
        ("set `https: …` for …: give a zone", "set `https: …` for …", "give a zone"),
        ("--month: … is no month: write 2026-11", "--month: … is no month", "write 2026-11"),
        ("a certificate\n   <x>: …", "a certificate &lt;x>", ""),
        ("nothing was changed", "nothing was changed", ""),
    ],
)
def test_a_message_is_divided_into_what_happened_and_what_to_do(text: str, what: str, fix: str) -> None:
    assert failures.halves(text) == (what, fix)


def test_messages_are_found_in_the_source() -> None:
    """Those of `raise`, in lists of findings, of `yield` and of comprehensions."""
    page = failures.page()
    for line in (
        "| there is no manager | run `cloudjhub up` |",
        "| the secret … is missing | run `cloudjhub up`, or `cloudjhub secrets set` where it is yours to give |",
        "| … has an AAAA record (…), which browsers prefer and no manager has | delete it |",
        "| port … on ::1 is in use | choose another with --port | `PortInUse` |",
        "| AWS is busy | Try again in a minute. | `CloudBusy` |",
    ):
        assert line in page
    assert len(re.findall(r"^\| ", page, re.MULTILINE)) > 200
