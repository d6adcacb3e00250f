"""Calls that are one too many."""

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import CloudProcess
from tests.shared.waiting import until


def test_the_sixth_start_in_a_row_is_refused(cloud: CloudProcess) -> None:
    ec2 = cloud.bare_client("ec2")
    instance_id = cloud.run()["InstanceId"]

    def start_often() -> None:
        for _ in range(20):
            ec2.start_instances(InstanceIds=[instance_id])

    with pytest.raises(ClientError) as refused:
        start_often()
    response = refused.value.response
    assert response["Error"]["Code"] == "RequestLimitExceeded"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 503
    ec2.describe_instances(InstanceIds=[instance_id])


def test_many_instances_in_one_call_are_one_request(cloud: CloudProcess) -> None:
    launched = cloud.client("ec2").run_instances(
        ImageId="ami-0c1d0b0000000000a",
        InstanceType="t3.nano",
        MinCount=8,
        MaxCount=8,
        SubnetId=cloud.subnets["a"],
    )
    ids = [one["InstanceId"] for one in launched["Instances"]]
    assert len(cloud.client("ec2").start_instances(InstanceIds=ids)["StartingInstances"]) == 8
    cloud.client("ec2").terminate_instances(InstanceIds=ids)


def test_the_fault_throttles_every_ec2_call_and_no_other(cloud: CloudProcess) -> None:
    cloud.fault("throttling", True)
    try:
        with pytest.raises(ClientError, match="RequestLimitExceeded"):
            cloud.bare_client("ec2").describe_vpcs()
        cloud.bare_client("sts").get_caller_identity()
    finally:
        cloud.fault("throttling", False)
    cloud.bare_client("ec2").describe_vpcs()


def test_alarms_are_put_three_a_second(cloud: CloudProcess) -> None:
    cloudwatch = cloud.bare_client("cloudwatch")

    def put() -> bool:
        try:
            cloudwatch.put_metric_alarm(
                AlarmName="a", Namespace="n", MetricName="m", Statistic="Maximum", Period=60, EvaluationPeriods=1,
                Threshold=1, ComparisonOperator="LessThanThreshold",
            )  # fmt: skip
        except ClientError as error:
            if error.response["Error"]["Code"] != "Throttling":
                raise
            return False
        return True

    assert [put() for _ in range(10)].count(False) > 0
    until(put, "the bucket to fill")
