"""Which clusters are in a network: those whose groups or machines are in its VPC."""

from bootstrap.aws.site import Site
from lifecycle_app.model.worker import TAG_CLUSTER

ALIVE = ["pending", "running", "stopping", "stopped"]


def other_clusters(site: Site, vpc: str) -> list[str]:
    """The names of the clusters beside ours, sorted."""
    ec2 = site.aws.client("ec2")
    groups = ec2.get_paginator("describe_security_groups").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "tag-key", "Values": [TAG_CLUSTER]}]
    )
    instances = ec2.get_paginator("describe_instances").paginate(
        Filters=[
            {"Name": "vpc-id", "Values": [vpc]},
            {"Name": "tag-key", "Values": [TAG_CLUSTER]},
            {"Name": "instance-state-name", "Values": ALIVE},
        ]
    )
    tags = [tag for page in groups for group in page["SecurityGroups"] for tag in group.get("Tags", [])]
    tags += [
        tag
        for page in instances
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
        for tag in instance.get("Tags", [])
    ]
    return sorted({tag["Value"] for tag in tags if tag["Key"] == TAG_CLUSTER} - {site.cluster})
