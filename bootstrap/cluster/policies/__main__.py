"""Writes the policies of the lifecycle functions where `chalice deploy` looks for them, or prints the operator's."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies import lifecycle_policies
from bootstrap.cluster.policies.operator import operator_policies
from bootstrap.cluster.policies.resources import Document


def written(policy: Document) -> str:
    """A policy as it stands in its file."""
    return json.dumps(policy, indent=2) + "\n"


def _key_in(arn: str) -> str:
    """The ARN of a key. Raises ValueError for an alias, which a policy cannot name."""
    if arn and ":key/" not in arn:
        raise ValueError(f"--kms-key {arn!r}: give the key's own ARN, as `aws kms describe-key` shows it")
    return arn


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bootstrap.cluster.policies", description=__doc__)
    parser.add_argument("--cluster", required=True, help="the cluster, which is the Chalice stage too")
    parser.add_argument("--account", default="*", help="AWS account id (default: whichever the role is in)")
    parser.add_argument("--region", default="*", help="AWS region (default: any)")
    parser.add_argument("--partition", default="aws")
    parser.add_argument("--domain", default="", help="the hub's domain, if Route 53 has its zone (operator)")
    parser.add_argument("--zone", action="append", default=[], metavar="ID",
                        help="the hosted zone of the domain (operator; default: any)")  # fmt: skip
    parser.add_argument(
        "--permissions-boundary", default="", metavar="ARN", help="as in cluster.yaml (operator)"
    )
    parser.add_argument("--role-path", default="/", help="as in cluster.yaml (operator)")
    parser.add_argument("--role-prefix", default="", help="as in cluster.yaml (operator)")
    parser.add_argument(
        "--kms-key",
        default="",
        metavar="ARN",
        help="the key's own ARN, where cluster.yaml has one (operator)",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="DIR", help="directory for policy-<function>.json")
    what.add_argument(
        "--operator", action="store_true", help="print the policies of an operator of cloudjhub, by name"
    )
    given = parser.parse_args(arguments)
    try:
        scope = Scope(
            cluster=given.cluster, account=given.account, region=given.region, partition=given.partition,
            domain=given.domain, zones=tuple(given.zone), boundary=given.permissions_boundary,
            role_path=given.role_path, role_prefix=given.role_prefix, key=_key_in(given.kms_key),
        )  # fmt: skip
    except ValueError as error:
        parser.error(str(error))
    if given.operator:
        print(json.dumps(operator_policies(scope), indent=2))
        return 0
    given.write.mkdir(parents=True, exist_ok=True)
    for name, policy in lifecycle_policies(scope).items():
        (given.write / f"policy-{name}.json").write_text(written(policy))
    return 0


if __name__ == "__main__":
    sys.exit(main())
