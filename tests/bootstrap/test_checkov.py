"""Checkov, a linter for security, finds nothing in any template, except for what is named here."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.bootstrap.templates import variants
from tests.shared.waiting import PATIENCE

CHECKOV = Path(__file__).resolve().parents[2] / ".venv-checkov/bin/checkov"

# (check, resource): why it stands.
EXCEPTIONS = {
    ("CKV_AWS_260", "AWS::EC2::SecurityGroupIngress.PublicPort80"): (
        "Port 80 leads browsers to HTTPS and answers Let's Encrypt, which asks there."
    ),
    ("CKV_AWS_18", "AWS::S3::Bucket.Bucket"): (
        "The bucket holds this repository's code. A log of its reads would need a second bucket, and tell nothing."
    ),
    ("CKV_AWS_158", "AWS::Logs::LogGroup.LogGroup"): (
        "Encrypted by CloudWatch's own key. A key of one's own costs $1 a month, and no secret is ever logged."
    ),
    ("CKV_AWS_158", "AWS::Logs::LogGroup.AuditLogGroup"): (
        "Encrypted by CloudWatch's own key. A key of one's own costs $1 a month, and no secret is ever logged."
    ),
    **{
        ("CKV_AWS_119", f"AWS::DynamoDB::Table.{table}"): (
            "Encrypted by DynamoDB's own key. One's own costs $1 a month and each read; no table holds a secret."
        )
        for table in ("Workers", "History", "Settings")
    },
    **{
        ("CKV_AWS_111", f"AWS::IAM::Role.{role}Role"): (
            "In a private cluster Lambda makes the function's network interfaces; EC2 has no resource for them before."
            " The function's own code is denied it."
        )
        for role in (
            *("IdleAlarm", "Reconcile", "RecordActivity"),
            *("RemoveStopped", "StopRequested", "Sweep"),
        )
    },
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Check and resource of each finding in all variants of the templates."""
    if not CHECKOV.exists():
        raise RuntimeError("checkov is not installed: run `make setup-test`, as `make test` does")
    directory = tmp_path_factory.mktemp("templates")
    for name, template in variants().items():
        (directory / f"{name}.json").write_text(json.dumps(template))
    done = subprocess.run(
        [CHECKOV, "--directory", directory, "--framework", "cloudformation", "--output", "json", "--quiet"],
        env={"PATH": os.environ["PATH"], "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 100
    assert report["summary"]["parsing_errors"] == 0
    return {(check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]}


def test_checkov_finds_nothing_new(failed: set[tuple[str, str]]) -> None:
    assert failed - set(EXCEPTIONS) == set()


def test_each_exception_is_still_needed(failed: set[tuple[str, str]]) -> None:
    assert set(EXCEPTIONS) - failed == set()
