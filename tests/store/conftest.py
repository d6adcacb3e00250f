"""One dynalite for the tests here that need only one DynamoDB."""

from collections.abc import Iterator

import pytest

from tests.store import servers


@pytest.fixture(scope="module")
def dynalite() -> Iterator[None]:
    """dynalite as this process's DynamoDB."""
    with servers.running("dynalite") as endpoint, servers.used(endpoint):
        yield
