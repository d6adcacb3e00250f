"""Names in AWS are within AWS's limits for every cluster name in every region."""

from dataclasses import dataclass

import boto3
import pytest

from bootstrap.aws import names
from bootstrap.config.contradictions import LONGEST_ROLE, ROLE_ROOM

LONGEST_CLUSTER = 32


@dataclass(frozen=True)
class Place:
    account: str
    region: str


REGIONS = sorted(
    region
    for partition in ("aws", "aws-cn", "aws-us-gov")
    for region in boto3.Session().get_available_regions("s3", partition)
)


@pytest.mark.parametrize("region", REGIONS)
def test_the_longest_names_fit_into_a_buckets_name(region: str) -> None:
    place = Place("123456789012", region)
    for length in range(1, LONGEST_CLUSTER + 1):
        name = names.bucket("c" * length, place)
        assert len(name) <= 63
        assert name.endswith(f"-123456789012-{region}")


def test_long_names_that_differ_at_their_end_have_buckets_of_their_own() -> None:
    place = Place("123456789012", "ap-southeast-1")
    assert names.bucket("physics", place) == "cloudjhub-physics-123456789012-ap-southeast-1"
    spring, autumn = (names.bucket(f"introduction-to-physics-{term}", place) for term in ("spring", "autumn"))
    assert spring == "cloudjhub-introduction-to--d73aee86-123456789012-ap-southeast-1"
    assert autumn != spring


def test_roles_and_functions_have_at_most_64_characters() -> None:
    cluster = "c" * LONGEST_CLUSTER
    roles = names.roles(cluster)
    assert max(map(len, [*roles, *names.functions(cluster)])) <= ROLE_ROOM
    assert max(map(len, roles)) == len(LONGEST_ROLE.format(cluster=cluster))
