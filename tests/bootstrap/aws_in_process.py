"""A cluster's site on moto, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from moto import mock_aws

from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.config.reading import read_settings

FILE_TEXT = "cluster: test\nregion: us-east-1\nowner: Ada\n"
LOGIN = "login: {trusted_users: true}\n"
USERS = "ada admin\nbob\n"


@contextmanager
def emulated_aws() -> Iterator[None]:
    """An account with nothing in it."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        # Another one than the cluster's: what a command does there goes by the settings.
        patch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
        yield


def site_in(directory: Path, more: str = "") -> Site:
    """The cluster `test` with two users in its users file; nothing is built."""
    login = "" if "login:" in more else LOGIN
    (directory / "cluster.yaml").write_text(FILE_TEXT + login + more)
    (directory / "users").write_text(USERS)
    settings = read_settings(directory / "cluster.yaml")
    return Site(settings=settings, aws=Aws(settings.region), directory=directory / "state")
