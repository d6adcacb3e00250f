"""AWS in this process, by moto: for the adapters' contract tests only."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto import mock_aws

from tests.shared.tables import create_tables


@contextmanager
def emulated_aws(*, with_tables: bool = True) -> Iterator[None]:
    """AWS with nothing in it but the tables of cluster `test`."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        if with_tables:
            create_tables("test")
        yield
