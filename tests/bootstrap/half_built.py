"""A cluster that is half built in moto: network, data, place, roles and secrets; no functions, image or manager."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from moto import mock_aws
from moto.backends import get_backend

from bootstrap.aws.site import Site
from bootstrap.cli.options import site_of
from bootstrap.cluster.steps.access import Access, Secrets
from bootstrap.cluster.steps.data import Data
from bootstrap.cluster.steps.network import NetworkStep
from bootstrap.cluster.steps.place import Place

MOTO_WARNS = "ignore:Tried to parse:UserWarning"
"""moto leaves out what it does not know of a template: bucket policies, alarms."""


@contextmanager
def unbuilt(directory: Path) -> Iterator[Site]:
    """A cluster.yaml, which the commands find by CLOUDJHUB_FILE, in an account without anything."""
    (directory / "users").write_text("alice admin\n")
    file = directory / "cluster.yaml"
    file.write_text(
        "cluster: spring\nregion: us-east-1\nowner: Prof. Sky\nlogin: {trusted_users: true}\n"
        # moto knows no IPv6 addresses of a VPC.
        "network: {egress: nat-gateway}\n"
    )
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("CLOUDJHUB_FILE", str(file))
        # moto's public addresses belong to others: none is asked.
        patch.setattr(
            "bootstrap.operations.health.facts.hub_answers", lambda *_: "nothing listens there (yet)"
        )
        yield site_of(file)


def build_half(site: Site) -> None:
    for step in (NetworkStep(), Data(), Place(), Access(), Secrets()):
        step.apply(site, lambda _: None)
    # moto keeps the policies of a template's roles as dicts, and answers with what Python prints of them.
    for role in get_backend("iam")[site.aws.account]["aws"].roles.values():
        role.policies = {name: json.dumps(policy) for name, policy in role.policies.items()}
