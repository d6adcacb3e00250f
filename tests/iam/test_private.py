"""In a private cluster Lambda joins the VPC by the function's role; its code does not, and nothing else is made."""

from collections.abc import Mapping
from dataclasses import replace

from bootstrap.cluster.policies import (
    asks_hub,
    builder_policy,
    lifecycle_policies,
    manager_policy,
    worker_policy,
)
from bootstrap.cluster.policies.resources import Document
from bootstrap.cluster.templates.endpoints import GATEWAYS
from bootstrap.config.choices import INTERFACE_ENDPOINTS
from tests.iam.asking import (
    FUNCTIONS,
    INSTANCE,
    INTERFACE,
    SCOPE,
    Asked,
    Request,
    arn,
    decide_each,
    granting,
    tags,
)
from tests.iam.linting import findings
from tests.iam.simulator import ACCOUNT

PRIVATE = lifecycle_policies(replace(SCOPE, is_private=True))
OUTSIDE = lifecycle_policies(SCOPE)
SUBNET, GROUP = arn("ec2", "subnet/subnet-a"), arn("ec2", "security-group/sg-functions")
JOIN = ("ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses")
SEE = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")
TAGGED = tags("RequestTag", cluster="dev", role="worker")


def joining(handler: str = "") -> dict[str, Request]:
    """What Lambda calls; with a handler, what its function's code calls."""
    context = (
        {"lambda:SourceFunctionArn": arn("lambda", f"function:cloudjhub-dev-{handler}")} if handler else {}
    )

    def asked(*resources: str) -> tuple[Asked, ...]:
        return tuple(Asked(one, context) for one in resources)

    return {
        "create": Request("ec2:CreateNetworkInterface", asked(INTERFACE, SUBNET, GROUP)),
        **{action: Request(action, asked(INTERFACE)) for action in JOIN},
        **{action: Request(action, asked("*")) for action in SEE},
    }


ASKING = [handler for handler in FUNCTIONS if asks_hub(handler)]
BEARERS = {handler: (handler,) for handler in ASKING}
UNKNOWN = "UNKNOWN_CONDITION_FOR_ACTION"


def decided(policies: dict[str, Document], requests: Mapping[str, Mapping[str, Request]]) -> set[str]:
    """All decisions together."""
    return {one for of_role in decide_each(policies, BEARERS, requests).values() for one in of_role.values()}


def test_lambda_makes_a_private_cluster_s_interfaces_and_no_other_s() -> None:
    requests = dict.fromkeys(ASKING, joining())
    assert decided(PRIVATE, requests) == {"Allowed"}
    assert "Allowed" not in decided(OUTSIDE, requests)


def test_functions_that_do_not_ask_the_hub_have_the_same_policy_as_elsewhere() -> None:
    assert len(ASKING) == 6
    others = set(FUNCTIONS) - set(ASKING)
    assert {name: PRIVATE[name] for name in others} == {name: OUTSIDE[name] for name in others}


def test_the_function_s_code_does_not() -> None:
    assert decided(PRIVATE, {handler: joining(handler) for handler in ASKING}) == {"ExplicitlyDenied"}


def test_what_no_function_makes_or_starts_stays_denied() -> None:
    vpc = Asked(arn("ec2", "vpc/vpc-1"))
    requests = {
        "subnet": Request("ec2:CreateSubnet", (Asked(SUBNET), vpc)),
        "group": Request("ec2:CreateSecurityGroup", (Asked(GROUP), vpc)),
        "tags": Request("ec2:CreateTags", (Asked(INSTANCE, TAGGED),)),
        "start": Request("ec2:StartInstances", (Asked(INSTANCE),)),
        "role": Request("iam:PassRole", (Asked(f"arn:aws:iam::{ACCOUNT}:role/any"),)),
    }
    assert decided(PRIVATE, dict.fromkeys(ASKING, requests)) == {"ExplicitlyDenied"}


def test_the_linter_finds_the_key_that_it_does_not_know_and_aws_s_own_wildcard() -> None:
    found = {issue for policy in PRIVATE.values() for issue, _ in findings(policy)}
    assert found - {issue for policy in OUTSIDE.values() for issue, _ in findings(policy)} == {
        UNKNOWN,
        "RESOURCE_STAR",
    }


def test_endpoints_lead_to_all_that_machines_and_functions_may_call() -> None:
    """But for what Lambda calls itself (sqs), iam:PassRole, which is not a call, Let's Encrypt's validation (route53),
    and ec2messages: agents of today use ssmmessages where they can.
    """
    named = {"cloudwatch": "monitoring"}
    policies = (manager_policy(SCOPE), worker_policy(SCOPE), builder_policy(SCOPE), *PRIVATE.values())
    allowed = [one for policy in policies for one in granting(policy)["Statement"]]
    services = {action.partition(":")[0] for one in allowed for action in one["Action"]}
    called = {named.get(one, one) for one in services - {"ec2messages", "iam", "route53", "sqs"}}
    assert called <= {*INTERFACE_ENDPOINTS, *GATEWAYS}
    assert {*INTERFACE_ENDPOINTS, *GATEWAYS} - called == {"sts"}  # GetCallerIdentity needs no permission
