"""moto behind its lock, its values kept whole on the way."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import CloudProcess

WRITERS, WRITES = 20, 5


@pytest.fixture(scope="module")
def table(cloud: CloudProcess) -> str:
    cloud.client("dynamodb").create_table(
        TableName="counters", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )  # fmt: skip
    return "counters"


def test_conditional_writers_lose_no_update(cloud: CloudProcess, table: str) -> None:
    """Each raises the counter by one only if no other has since it read."""
    tables = cloud.bare_client("dynamodb")
    tables.put_item(TableName=table, Item={"k": {"S": "a"}, "n": {"N": "0"}})

    def raise_by_one() -> bool:
        found = tables.get_item(TableName=table, Key={"k": {"S": "a"}}, ConsistentRead=True)["Item"]["n"]["N"]
        try:
            tables.put_item(
                TableName=table,
                Item={"k": {"S": "a"}, "n": {"N": str(int(found) + 1)}},
                ConditionExpression="n = :seen",
                ExpressionAttributeValues={":seen": {"N": found}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as pool:
        raised = sum(pool.map(lambda _: raise_by_one(), range(WRITERS * WRITES)))
    final = tables.get_item(TableName=table, Key={"k": {"S": "a"}}, ConsistentRead=True)["Item"]["n"]["N"]
    assert int(final) == raised > 0


@pytest.mark.parametrize("key", ["plain", "with space", "a/b%2Fc", "ümlaut"])
def test_objects_come_back_as_they_went(cloud: CloudProcess, key: str) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="objects")
    content = bytes(range(256)) * 1000
    s3.put_object(Bucket="objects", Key=key, Body=content, Metadata={"some_name": "some value"})
    found = s3.get_object(Bucket="objects", Key=key)
    assert found["Body"].read() == content
    assert found["Metadata"] == {"some_name": "some value"}


def test_hostile_values_pass_unchanged(cloud: CloudProcess) -> None:
    name = "../<&>\"'; rm -rf / $(x) ✓ é"
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "cloudjhub:user", "Value": name}]}]
    instance_id = cloud.run(TagSpecifications=tags)["InstanceId"]
    assert cloud.instance(instance_id)["tags"] == {"cloudjhub:user": name}
    found = cloud.client("ec2").describe_instances(Filters=[{"Name": "tag:cloudjhub:user", "Values": [name]}])
    assert found["Reservations"][0]["Instances"][0]["Tags"] == [{"Key": "cloudjhub:user", "Value": name}]
