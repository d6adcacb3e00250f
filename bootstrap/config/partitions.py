"""Which of AWS's partitions a region is in. A partition has accounts, endpoints, principals and prices of its own."""

PARTITIONS = {
    "cn-": "China",
    "us-gov-": "GovCloud",
    "us-iso": "an ISO partition",
    "eu-iso": "an ISO partition",
    "eusc-": "the European Sovereign Cloud",
}
"""How the names of regions begin that are not in the partition `aws`, as in botocore's `partitions.json`."""
SUPPORTED = "aws"


def supported(region: str) -> str:
    """The region. Raises ValueError where it is in another partition than `aws`: nothing was ever run there."""
    for prefix, partition in PARTITIONS.items():
        if region.startswith(prefix):
            raise ValueError(
                f"{region} is in {partition}, a part of AWS that cloudJHub does not support: set it to a region like "
                "us-east-1 or eu-central-1"
            )
    return region
