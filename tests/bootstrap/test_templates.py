"""The templates: valid by CloudFormation's own rules, and the tables as the lifecycle app's models want them."""

import json
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from cfnlint import api as cfnlint

from bootstrap.policies import Scope
from bootstrap.templates import access_template, data_template, network_template
from bootstrap.templates.network import subnet_ranges
from lifecycle_app.records import HistoryRecord, SettingRecord, WorkerRecord, bound

ZONES = ["us-east-1a", "us-east-1b"]
TEMPLATES: dict[str, Callable[[], dict[str, Any]]] = {
    "network": lambda: network_template("spring", IPv4Network("10.0.0.0/16"), ZONES),
    "data": lambda: data_template("spring"),
    "access": lambda: access_template(Scope(cluster="spring", account="123456789012", region="us-east-1")),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing(name: str, tmp_path: Path) -> None:
    found = cfnlint.lint_all(json.dumps(TEMPLATES[name]()))
    # W3010 warns of zones written out: which zones a cluster uses is the operator's choice. I is information.
    assert [match for match in found if match.rule.id != "W3010" and not match.rule.id.startswith("I")] == []


def test_cfn_lint_would_find_a_fault() -> None:
    template = data_template("spring")
    del template["Resources"]["Workers"]["Properties"]["KeySchema"]
    assert cfnlint.lint_all(json.dumps(template))


@pytest.mark.parametrize(
    ("logical", "table", "model"),
    [
        ("Workers", "workers", WorkerRecord),
        ("History", "history", HistoryRecord),
        ("Settings", "settings", SettingRecord),
    ],
)
def test_tables_have_the_keys_and_indexes_of_the_models(logical: str, table: str, model: Any) -> None:
    wanted = bound(model, "spring", table)._get_schema()
    built = data_template("spring")["Resources"][logical]["Properties"]
    assert by_name(built["KeySchema"]) == by_name(wanted["key_schema"])
    assert by_name(built["AttributeDefinitions"]) == by_name(wanted["attribute_definitions"])
    indexes = {
        index["IndexName"]: by_name(index["KeySchema"]) for index in built.get("GlobalSecondaryIndexes", [])
    }
    assert indexes == {
        index["index_name"]: by_name(index["key_schema"]) for index in wanted["global_secondary_indexes"]
    }


def by_name(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {row["AttributeName"]: row for row in rows}


def test_subnets_do_not_overlap_and_hold_a_large_class() -> None:
    manager, workers = subnet_ranges(IPv4Network("10.0.0.0/16"), 3)
    blocks = [manager, *workers]
    assert not any(a.overlaps(b) for n, a in enumerate(blocks) for b in blocks[n + 1 :])
    # EC2 keeps five addresses of every subnet for itself.
    assert sum(block.num_addresses - 5 for block in workers) >= 2000


@pytest.mark.parametrize(("vpc", "zones"), [("10.0.0.0/20", 1), ("10.0.0.0/19", 2), ("10.0.0.0/16", 16)])
def test_a_network_that_is_too_small_is_refused(vpc: str, zones: int) -> None:
    with pytest.raises(ValueError, match="too small"):
        subnet_ranges(IPv4Network(vpc), zones)
