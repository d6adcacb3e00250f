"""The dead-letter queue: what no function could handle."""

from botocore.exceptions import ClientError

from bootstrap.aws import names
from bootstrap.aws.site import Site

NO_QUEUE = ("NonExistentQueue", "QueueDoesNotExist")


def waiting(site: Site) -> int:
    """How many events lie in the queue; 0 where there is none."""
    client = site.aws.client("sqs")
    try:
        url = client.get_queue_url(QueueName=names.dead_letter_queue(site.cluster))["QueueUrl"]
    except ClientError as error:
        if not error.response["Error"]["Code"].endswith(NO_QUEUE):
            raise
        return 0
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(found["Attributes"]["ApproximateNumberOfMessages"])
