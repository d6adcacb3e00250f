"""The dead-letter queue: what no function could handle."""

from bootstrap.aws.site import Site
from bootstrap.cluster.monitoring import queue


def waiting(site: Site) -> int:
    """How many events are in the queue; 0 where there is none."""
    url = queue.find(site)
    if url is None:
        return 0
    found = site.aws.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])
