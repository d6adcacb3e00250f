"""The tier of each test, what a unit test may not do, and what spares every test time."""

import functools
import gc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import botocore.loaders
import pytest
from _pytest.mark.expression import Expression

TESTS = Path(__file__).parent
TIERS = ("unit", "contract", "simulation", "emulator", "cloud", "browser", "root", "deep")
# The tiers of a folder's or a file's tests: the longest entry that fits counts, and every test has one. A test that
# needs more than its file, or the browser, says so itself.
OF = {
    "benchmarks": "unit",
    "benchmarks/hostile": "emulator",
    "benchmarks/peers/test_aws.py": "emulator",
    "benchmarks/peers/test_cloudjhub.py": "emulator",
    "benchmarks/peers/test_measuring.py": "emulator",
    "benchmarks/storm/test_parts.py": "emulator",
    "benchmarks/storm/test_storms.py": "emulator",
    "benchmarks/traces": "unit simulation",
    "bootstrap": "unit",
    "bootstrap/test_audit_command.py": "emulator",
    "bootstrap/test_backups.py": "emulator",
    "bootstrap/test_bundle.py": "emulator",
    "bootstrap/test_byte_code.py": "emulator",
    "bootstrap/test_checkov.py": "emulator",
    "bootstrap/test_completion.py": "emulator",
    "bootstrap/test_doctor.py": "emulator",
    "bootstrap/test_dns_records.py": "emulator",
    "bootstrap/test_freshness.py": "emulator",
    "bootstrap/test_down_command.py": "emulator",
    "bootstrap/test_holders.py": "emulator",
    "bootstrap/test_homes_command.py": "emulator",
    "bootstrap/test_hub_log.py": "emulator",
    "bootstrap/test_home_backups.py": "emulator",
    "bootstrap/test_image_command.py": "emulator",
    "bootstrap/test_importing.py": "emulator",
    "bootstrap/test_image_setup.py": "emulator",
    "bootstrap/test_manager_setup.py": "emulator",
    "bootstrap/test_manager_units.py": "emulator",
    "bootstrap/test_login_path_docs.py": "contract",
    "bootstrap/test_lifecycle.py": "emulator",
    "bootstrap/test_lifecycle_step.py": "emulator",
    "bootstrap/test_logs_command.py": "emulator",
    "bootstrap/test_manager_certbot.py": "emulator",
    "bootstrap/test_manager_nginx.py": "emulator",
    "bootstrap/test_manager_certificates.py": "emulator",
    "bootstrap/test_manager_journal.py": "emulator",
    "bootstrap/test_manager_step.py": "emulator",
    "bootstrap/test_people.py": "emulator",
    "bootstrap/test_preflight.py": "emulator",
    "bootstrap/test_preflight_lasting.py": "emulator",
    "bootstrap/test_prepare_command.py": "emulator",
    "bootstrap/test_rotation.py": "emulator",
    "bootstrap/test_settings_command.py": "emulator",
    "bootstrap/test_stacks.py": "emulator",
    "bootstrap/test_status.py": "emulator",
    "bootstrap/test_templates.py": "emulator",
    "bootstrap/test_users_command.py": "emulator",
    "bootstrap/test_verify_command.py": "emulator",
    "bootstrap/test_watching.py": "emulator",
    "bootstrap/test_workers_command.py": "emulator",
    "contracts": "contract",
    "docs": "unit",
    "faults": "emulator",
    "hub": "unit",
    "hub/test_accounts.py": "emulator",
    "hub/test_browser.py": "emulator browser",
    "hub/test_asking.py": "emulator",
    "hub/test_audit_log.py": "emulator",
    "hub/test_fakes.py": "contract",
    "hub/test_front.py": "emulator",
    "hub/test_ldap.py": "emulator",
    "hub/test_links.py": "emulator",
    "hub/test_logins.py": "emulator",
    "hub/test_tuning.py": "emulator",
    "hub/test_workers.py": "emulator",
    "hub/test_running_hub.py": "emulator",
    "iam": "emulator",
    "lifecycle": "unit",
    "lifecycle/test_budget_months.py": "unit simulation",
    "lifecycle/test_cloud_contract.py": "contract",
    "lifecycle/test_handlers.py": "emulator",
    "lifecycle/test_hub_contract.py": "contract",
    "lifecycle/test_metrics_contract.py": "contract",
    "lifecycle/test_pinning.py": "emulator",
    "lifecycle/test_store_contract.py": "contract",
    "lifecycle/test_store_faults.py": "unit simulation",
    "local": "unit",
    "local/test_addresses.py": "emulator",
    "local/test_manager_log.py": "emulator",
    "local/test_processes.py": "emulator",
    "local/test_programs.py": "emulator",
    "local/test_settings.py": "emulator",
    "local_cloud": "emulator",
    "machines": "root deep",
    "protocol": "deep",
    "scenarios": "cloud",
    "scenarios/test_installed.py": "cloud deep",
    "scenarios/test_interruptions.py": "cloud deep",
    "scenarios/test_soak.py": "cloud deep",
    "scenarios/test_verify.py": "cloud deep",
    "simulation": "unit simulation",
    "simulation/test_ec2_contract.py": "emulator",
    "store": "emulator",
    "supply": "unit",
    "supply/test_package.py": "emulator",
    "worker": "unit",
    "worker/test_activity.py": "emulator",
    "worker/test_apps.py": "unit simulation",
    "worker/test_apps_served.py": "emulator",
    "worker/test_boot.py": "emulator",
    "worker/test_connections.py": "emulator",
    "worker/test_programs.py": "emulator",
    "worker/test_full_home.py": "emulator",
    "worker/test_profile.py": "emulator",
    "worker/test_requests.py": "emulator",
    "worker/test_earlier.py": "emulator",
    "worker/test_home.py": "emulator",
    "worker/test_lab.py": "emulator browser",
    "worker/test_supervision.py": "emulator",
    "worker/test_units.py": "emulator",
    "worker/test_users_packages.py": "emulator",
}  # fmt: skip
# The tiers that a single test may have besides those of its file.
ADDED_BY_TESTS = ("emulator", "browser")
# What shows that a test needs more than its own process.
OUTSIDE = ("subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect")
_alone = False

# Hundreds of images that no test launches from; the local cloud does without them, too.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

# Each session would read and parse the descriptions of AWS's services anew: most of the time of a test with moto.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)


def tiers_of(path: str) -> list[str]:
    """The tiers of a test file, by its path below tests/."""
    fits = [entry for entry in OF if path == entry or path.startswith(f"{entry}/")]
    if not fits:
        raise pytest.UsageError(f"tests/{path} has no tier: give it or its folder one in tests/conftest.py")
    return OF[max(fits, key=len)].split()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what is not selected, folders' conftest.py either: most of it imports half of AWS."""
    path = collection_path.relative_to(TESTS).as_posix()
    if not config.option.markexpr or path == ".":
        return None
    if collection_path.is_dir():
        around = [entry for entry in OF if f"{entry}/".startswith(f"{path}/") or path.startswith(f"{entry}/")]
        given = [OF[entry].split() for entry in around]
    else:
        given = [tiers_of(path)] if collection_path.name.startswith("test_") else []
    possible = [{*tiers, *more} for tiers in given for more in ((), *((one,) for one in ADDED_BY_TESTS))]
    is_none_selected = possible and not any(_selects(config.option.markexpr, one) for one in possible)
    return True if is_none_selected else None  # pytest's own rules are asked only after None


def _selects(expression: str, tiers: set[str]) -> bool:
    def has(name: str, /, **_: object) -> bool:
        return name in tiers

    return Expression.compile(expression).evaluate(has)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for tier in tiers_of(str(item.path.relative_to(TESTS))):
            item.add_marker(tier)


def pytest_collection_finish(session: pytest.Session) -> None:
    """A tier that is selected by name has tests: a selection that selects nothing checks nothing."""
    if session.config.args_source != pytest.Config.ArgsSource.TESTPATHS:
        return
    wanted = re.findall(rf"(?<!not )\b({'|'.join(TIERS)})\b", session.config.option.markexpr)
    if empty := [name for name in wanted if not any(item.get_closest_marker(name) for item in session.items)]:
        raise pytest.UsageError(f"no test is selected of: {', '.join(empty)}")


def pytest_runtestloop() -> None:
    """What was collected stays to the end: the garbage collector need not search its objects again and again."""
    gc.freeze()


@contextmanager
def _on_its_own(item: pytest.Item) -> Iterator[None]:
    """A unit test neither starts a process nor uses a socket. What ends after it, like a session's fixture, may."""
    global _alone
    if item.get_closest_marker("unit") is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        # Where it finds no credentials, boto3 asks the machine's metadata service.
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        _alone = True
        try:
            yield
        finally:
            _alone = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _on_its_own(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _on_its_own(item):
        return (yield)


def _refuse_outside(event: str, _arguments: object) -> None:
    if _alone and event in OUTSIDE:
        raise AssertionError(f"{event} in a unit test: give its file another tier in tests/conftest.py")


sys.addaudithook(_refuse_outside)
