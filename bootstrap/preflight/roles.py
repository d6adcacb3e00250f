"""Can the roles be as the settings say: a boundary of this account, path and prefix as they were built?

A role with another path or name is another role. Machines have an instance profile with it from their launch on:
without it, a user's machine could not start any more.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.aws import names, stacks
from bootstrap.aws.site import Site
from bootstrap.preflight.problem import Problem

WORKER = "WorkerRole"
"""The worker's role in the template of the access stack."""


def problems(site: Site) -> Iterator[Problem]:
    """What prevents `up`."""
    scope, stack = site.scope, names.stack(site.cluster, "access")
    yield from judge_boundary(scope.boundary, scope.partition, scope.account)
    client = site.aws.client("cloudformation")
    if stacks.current(client, stack) is not None:
        built = stacks.template_of(client, stack)["Resources"][WORKER]["Properties"]
        yield from judge_names(built, scope.role_path, scope.worker_role)


def judge_boundary(boundary: str, partition: str, account: str) -> Iterator[Problem]:
    """A policy's ARN, "" for none, in the account where roles are made, or AWS's own. Pure."""
    if not boundary:
        return
    _, of, _, _, owner, _ = boundary.split(":", 5)
    if of != partition or owner not in (account, "aws"):
        yield Problem(
            f"`permissions_boundary` {boundary} is not a policy of this account: name one that begins with "
            f"arn:{partition}:iam::{account}:policy/"
        )


def judge_names(built: Mapping[str, Any], path: str, worker_role: str) -> Iterator[Problem]:
    """The worker's role as it was built, and as the settings have its path and its name with the prefix. Pure."""
    had = str(built.get("Path", "/"))
    if had != path:
        fix = f"set `role_path: {had}`" if had != "/" else "remove `role_path`"
        yield Problem(f"the roles have the path {had}, which cannot be changed: {fix}")
    name = str(built["RoleName"])
    if name != worker_role:
        prefix = name[: name.index("cloudjhub-")]
        fix = f"set `role_prefix: {prefix}`" if prefix else "remove `role_prefix`"
        yield Problem(f"the workers' role is {name}, which cannot be changed: {fix}")
