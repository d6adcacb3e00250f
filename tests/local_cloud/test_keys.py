"""Customer managed keys: who may use them for disks, secrets, tables and objects, and what happens to who may not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import ACCOUNT, REGION, CloudProcess

EC2 = {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"}
FOR_DISKS = ["kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
CONTEXT = "kms:EncryptionContext"


def disks_of(key: str) -> list[dict[str, Any]]:
    """What lets a role launch and start machines whose disks are encrypted with a key."""
    granted = {"StringEquals": EC2, "Bool": {"kms:GrantIsForAWSResource": "true"}}
    return [
        {"Effect": "Allow", "Action": FOR_DISKS, "Resource": key, "Condition": {"StringEquals": EC2}},
        {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": key, "Condition": granted},
    ]


def reading(key: str, name: str, value: str) -> list[dict[str, Any]]:
    condition = {"StringEquals": {f"{CONTEXT}:{name}": value}}
    return [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": condition}]


class Caller:
    """A role whose policy the test chooses, and its clients."""

    def __init__(self, cloud: CloudProcess) -> None:
        self.cloud = cloud
        arn = cloud.client("iam").create_role(RoleName="hub", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self._given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="i-1")["Credentials"]

    def may(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements) or [NOTHING]}
        self.cloud.client("iam").put_role_policy(
            RoleName="hub", PolicyName="hub", PolicyDocument=json.dumps(document)
        )

    def client(self, service: str) -> Any:
        given = self._given
        return self.cloud.bare_client(
            service, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        )


NOTHING = {"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"}


@pytest.fixture(scope="module")
def caller(cloud: CloudProcess) -> Caller:
    return Caller(cloud)


@pytest.fixture(scope="module")
def key(cloud: CloudProcess) -> str:
    return str(cloud.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def default_key(cloud: CloudProcess, key: str) -> Iterator[str]:
    """The account encrypts disks with it by default."""
    ec2 = cloud.client("ec2")
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    yield key
    ec2.modify_ebs_default_kms_key_id(KmsKeyId="alias/aws/ebs")


def launched(caller: Caller, **of_disk: Any) -> str:
    """A machine that the role launches, with one encrypted disk."""
    disk = {"VolumeSize": 8, "Encrypted": True, "DeleteOnTermination": True, **of_disk}
    given = caller.client("ec2").run_instances(
        ImageId="ami-0c1d0b0000000000a",
        InstanceType="t3.medium",
        MinCount=1,
        MaxCount=1,
        SubnetId=caller.cloud.subnets["a"],
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": disk}],
    )
    return str(given["Instances"][0]["InstanceId"])


def ended(caller: Caller, instance_id: str, state: str = "terminated") -> str:
    """Why the machine ended."""
    caller.cloud.await_state(instance_id, state)
    return str(caller.cloud.described(instance_id)["StateReason"]["Code"])


def test_a_machine_runs_whose_launcher_may_use_the_key(caller: Caller, key: str) -> None:
    caller.may(*disks_of(key))
    machine = launched(caller, KmsKeyId=key)
    caller.cloud.await_state(machine, "running")
    # And without the grant at its next start it is stopped again.
    caller.client("ec2").stop_instances(InstanceIds=[machine])
    caller.cloud.await_state(machine, "stopped")
    caller.may(disks_of(key)[0])
    caller.client("ec2").start_instances(InstanceIds=[machine])
    assert ended(caller, machine, "stopped") == "Client.InternalError"


@pytest.mark.parametrize("missing", [*FOR_DISKS, "kms:CreateGrant"])
def test_ec2_ends_a_machine_whose_launcher_may_not(caller: Caller, key: str, missing: str) -> None:
    use, grant = disks_of(key)
    actions = [action for action in FOR_DISKS if action != missing]
    caller.may({**use, "Action": actions}, *([grant] if missing != "kms:CreateGrant" else []))
    assert ended(caller, launched(caller, KmsKeyId=key)) == "Client.InternalError"


def test_a_disk_without_a_key_has_the_accounts_default_one(
    cloud: CloudProcess, caller: Caller, default_key: str
) -> None:
    assert cloud.client("ec2").get_ebs_default_kms_key_id()["KmsKeyId"] == default_key
    caller.may()
    assert ended(caller, launched(caller)) == "Client.InternalError"


def test_the_accounts_own_default_key_is_everybodys(cloud: CloudProcess, caller: Caller) -> None:
    assert cloud.client("ec2").get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    caller.may()
    cloud.await_state(launched(caller), "running")
    assert cloud.client("kms").describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["KeyManager"] == "AWS"


def test_nothing_is_encrypted_with_a_disabled_key(cloud: CloudProcess, caller: Caller, key: str) -> None:
    caller.may(*disks_of(key))
    cloud.client("kms").disable_key(KeyId=key.rpartition("/")[2])
    try:
        assert ended(caller, launched(caller, KmsKeyId=key)) == "Client.InvalidKMSKey.InvalidState"
    finally:
        cloud.client("kms").enable_key(KeyId=key.rpartition("/")[2])


def test_a_key_whose_policy_does_not_trust_iam_is_nobodys(cloud: CloudProcess, caller: Caller) -> None:
    alone = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ada"}, "Action": "kms:*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**alone, "Resource": "*"}]})
    key = cloud.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
    caller.may(*disks_of(key))
    assert ended(caller, launched(caller, KmsKeyId=key)) == "Client.InternalError"


def test_a_disk_is_attached_and_made_by_who_may_use_its_key(caller: Caller, key: str) -> None:
    ec2 = caller.client("ec2")
    wanted = {"AvailabilityZone": f"{REGION}a", "Size": 1, "Encrypted": True, "KmsKeyId": key}
    caller.may(*disks_of(key))
    machine, disk = launched(caller, KmsKeyId=key), ec2.create_volume(**wanted)["VolumeId"]
    caller.cloud.await_state(machine, "running")
    caller.may()
    with pytest.raises(ClientError, match="kms:CreateGrant"):
        ec2.create_volume(**wanted)
    with pytest.raises(ClientError, match="kms:CreateGrant"):
        ec2.attach_volume(VolumeId=disk, InstanceId=machine, Device="/dev/sdf")
    caller.may(*disks_of(key))
    ec2.attach_volume(VolumeId=disk, InstanceId=machine, Device="/dev/sdf")


def test_a_secret_is_read_by_who_may_decrypt_this_one(cloud: CloudProcess, caller: Caller, key: str) -> None:
    for name in ("/a/own", "/a/other"):
        cloud.client("ssm").put_parameter(Name=name, Value="x", Type="SecureString", KeyId=key)
    ssm = caller.client("ssm")
    caller.may(*reading(key, "PARAMETER_ARN", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a/own"))
    assert ssm.get_parameter(Name="/a/own", WithDecryption=True)["Parameter"]["Value"] == "x"
    assert ssm.get_parameter(Name="/a/other")["Parameter"]["Value"] != "x"
    with pytest.raises(ClientError, match=r"AccessDeniedException.*kms:Decrypt"):
        ssm.get_parameters(Names=["/a/own", "/a/other"], WithDecryption=True)
    with pytest.raises(ClientError, match="kms:Encrypt"):
        ssm.put_parameter(Name="/a/new", Value="x", Type="SecureString", KeyId=key)


def test_a_table_is_read_by_who_may_decrypt_its_key(cloud: CloudProcess, caller: Caller, key: str) -> None:
    cloud.client("dynamodb").create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
    )
    dynamodb = caller.client("dynamodb")
    caller.may()
    dynamodb.get_item(TableName="t", Key={"k": {"S": "a"}})
    given = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    cloud.client("dynamodb").update_table(TableName="t", SSESpecification=given)
    with pytest.raises(ClientError, match="kms:Decrypt"):
        dynamodb.batch_get_item(RequestItems={"t": {"Keys": [{"k": {"S": "a"}}]}})
    caller.may(*reading(key, "aws:dynamodb:tableName", "t"))
    dynamodb.get_item(TableName="t", Key={"k": {"S": "a"}})


def test_an_object_is_read_by_who_may_decrypt_its_buckets_key(
    cloud: CloudProcess, caller: Caller, key: str
) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
        "BucketKeyEnabled": True,
    }
    s3.put_bucket_encryption(Bucket="kept", ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(Bucket="kept", Key="bundle/a", Body=b"x")
    caller.may(*reading(key, "aws:s3:arn", "arn:aws:s3:::kept"))
    assert caller.client("s3").get_object(Bucket="kept", Key="bundle/a")["Body"].read() == b"x"
    with pytest.raises(ClientError, match=r"AccessDenied.*kms:GenerateDataKey"):
        caller.client("s3").put_object(Bucket="kept", Key="bundle/b", Body=b"y")
    caller.may()
    with pytest.raises(ClientError, match=r"AccessDenied.*kms:Decrypt"):
        caller.client("s3").get_object(Bucket="kept", Key="bundle/a")
