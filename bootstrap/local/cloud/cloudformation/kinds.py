"""The kinds of resources that stacks may hold here, and what their creation and change need beyond one call."""

import json
import re
from collections.abc import Mapping
from functools import partial
from ipaddress import IPv6Network
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws.errors import message_of
from bootstrap.local.cloud.cloudformation.model import Made
from bootstrap.local.cloud.cloudformation.provider import Kind, Properties, differing, renamed, with_name
from bootstrap.local.settings import ACCOUNT

DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")
"""Of a security group's rule; moto takes any."""
TARGETS = ("GatewayId", "NatGatewayId", "NetworkInterfaceId", "EgressOnlyInternetGatewayId")
"""Where a route can lead."""
IPV6_SUBNET = 64
"""The length of the prefix of a subnet's IPv6 range."""


def _set_up_vpc(ec2: Any, vpc: str, _: Properties, after: Properties) -> None:
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{name: {"Value": bool(after.get(name))}})


def _set_up_subnet(ec2: Any, subnet: str, _: Properties, after: Properties) -> None:
    for name in ("MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation"):
        ec2.modify_subnet_attribute(SubnetId=subnet, **{name: {"Value": bool(after.get(name))}})


def _set_up_interface(ec2: Any, interface: str, _: Properties, after: Properties) -> None:
    check = {"Value": bool(after.get("SourceDestCheck", True))}
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, SourceDestCheck=check)
    groups = list(after.get("GroupSet", []))
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=groups)


def _delete_nat_gateway(ec2: Any, made: Made) -> None:
    """Its network interface goes with it, which moto leaves."""
    (found,) = ec2.describe_nat_gateways(NatGatewayIds=[made.physical_id])["NatGateways"]
    ec2.delete_nat_gateway(NatGatewayId=made.physical_id)
    for address in found["NatGatewayAddresses"]:
        ec2.delete_network_interface(NetworkInterfaceId=address["NetworkInterfaceId"])


def _delete_endpoint(ec2: Any, made: Made) -> None:
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made.physical_id])


def _check_subnet(ec2: Any, properties: Properties) -> None:
    """EC2 takes a /64 of the VPC's own IPv6 range that no other subnet has, and addresses of none; moto takes any."""
    block = properties.get("Ipv6CidrBlock")
    if block is None:
        if properties.get("AssignIpv6AddressOnCreation"):
            raise ValueError("The subnet has no IPv6 CIDR block. (InvalidParameterValue)")
        return
    wanted, vpc = IPv6Network(block), properties["VpcId"]
    inside = any(wanted.subnet_of(IPv6Network(one)) for one in _ipv6_ranges(ec2, vpc))
    if not inside or wanted.prefixlen != IPV6_SUBNET:
        raise ValueError(f"The CIDR '{block}' is invalid. (InvalidSubnet.Range)")
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    for one in (each for subnet in subnets for each in subnet.get("Ipv6CidrBlockAssociationSet", [])):
        if wanted.overlaps(IPv6Network(one["Ipv6CidrBlock"])):
            raise ValueError(f"The CIDR '{block}' conflicts with another subnet. (InvalidSubnet.Conflict)")


def _ipv6_ranges(ec2: Any, vpc: str) -> list[str]:
    """Of a VPC, by CIDR."""
    (found,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    return [
        one["Ipv6CidrBlock"]
        for one in found.get("Ipv6CidrBlockAssociationSet", [])
        if one["Ipv6CidrBlockState"]["State"] == "associated"
    ]


def _refuse_second_gateway(ec2: Any, properties: Properties) -> None:
    """A VPC has one egress-only internet gateway; moto takes any number."""
    there = ec2.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"]
    if any(at["VpcId"] == properties["VpcId"] for one in there for at in one["Attachments"]):
        raise ValueError("The VPC has an egress-only internet gateway already. (ResourceAlreadyAssociated)")


def _let_out(ec2: Any, group: str, _: Properties, after: Properties) -> None:
    """What a group lets out; without any such rules, what EC2 gives it: everything over IPv4."""
    if "SecurityGroupEgress" not in after:
        return
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=found["IpPermissionsEgress"])
    for rule in after["SecurityGroupEgress"]:
        _check_rule(ec2, rule)
        ec2.authorize_security_group_egress(**_rule({"GroupId": group, **rule}))


def _destination(properties: Properties) -> str:
    """Of a route, IPv4 or IPv6."""
    return str(properties.get("DestinationCidrBlock") or properties["DestinationIpv6CidrBlock"])


def _route_id(properties: Properties) -> str:
    return f"{properties['RouteTableId']}|{_destination(properties)}"


def _delete_route(ec2: Any, made: Made) -> None:
    names = ("RouteTableId", "DestinationCidrBlock", "DestinationIpv6CidrBlock")
    ec2.delete_route(**{name: made.properties[name] for name in names if name in made.properties})


def _check_route(ec2: Any, properties: Properties) -> None:
    """EC2 refuses a second one to the same destination; moto would replace the first. IPv6 alone leaves by an
    egress-only internet gateway, which must be of the route table's VPC.
    """
    destination = _destination(properties)
    (found,) = ec2.describe_route_tables(RouteTableIds=[properties["RouteTableId"]])["RouteTables"]
    there = [
        (route.get("DestinationCidrBlock"), route.get("DestinationIpv6CidrBlock"))
        for route in found["Routes"]
    ]
    if any(destination in one for one in there):
        raise ValueError(f"The route identified by {destination} already exists. (RouteAlreadyExists)")
    gateway = properties.get("EgressOnlyInternetGatewayId")
    if gateway is None:
        return
    gateways = ec2.describe_egress_only_internet_gateways(EgressOnlyInternetGatewayIds=[gateway])
    (only,) = gateways["EgressOnlyInternetGateways"]
    if "DestinationIpv6CidrBlock" not in properties or only["Attachments"][0]["VpcId"] != found["VpcId"]:
        raise ValueError(f"{gateway} cannot be the way to {destination}. (InvalidParameterValue)")


def _lead_route(ec2: Any, _: str, before: Properties, after: Properties) -> None:
    if before:
        ec2.replace_route(**after)


def _check_rule(_: Any, properties: Properties) -> None:
    if not DESCRIPTION.fullmatch(properties.get("Description", "")):
        raise ValueError(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following "
            "set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$* (InvalidParameterValue)"
        )


def _rule(properties: Properties) -> Properties:
    """A group and one of its rules, as EC2's calls take them."""
    why = {name: properties[name] for name in ("Description",) if name in properties}
    if "CidrIp" in properties:
        source = {"IpRanges": [{"CidrIp": properties["CidrIp"], **why}]}
    elif "CidrIpv6" in properties:
        source = {"Ipv6Ranges": [{"CidrIpv6": properties["CidrIpv6"], **why}]}
    else:
        source = {"UserIdGroupPairs": [{"GroupId": properties["SourceSecurityGroupId"], **why}]}
    ports = {name: properties[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in properties}
    return {"GroupId": properties["GroupId"], "IpPermissions": [{**ports, **source}]}


def _table(properties: Properties) -> Properties:
    """A table, as DynamoDB's call takes it."""
    given = properties.get("SSESpecification")
    return {**properties, **({"SSESpecification": _table_key(given)} if given else {})}


def _table_key(given: Properties) -> Properties:
    return renamed(SSEEnabled="Enabled")(given)


def _set_up_table(dynamodb: Any, name: str, before: Properties, after: Properties) -> None:
    changed = differing(before, after)
    if before and "DeletionProtectionEnabled" in changed:
        wanted = bool(after.get("DeletionProtectionEnabled"))
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=wanted)
    if before and "SSESpecification" in changed:
        key = _table_key(after.get("SSESpecification", {"SSEEnabled": False}))
        dynamodb.update_table(TableName=name, SSESpecification=key)
    for part, update in (
        ("PointInTimeRecoverySpecification", dynamodb.update_continuous_backups),
        ("TimeToLiveSpecification", dynamodb.update_time_to_live),
    ):
        if part in changed and part in after:
            update(TableName=name, **{part: after[part]})


def _set_up_bucket(s3: Any, name: str, _: Properties, after: Properties) -> None:
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": after.get("Tags", [])})
    if wanted := after.get("BucketEncryption"):
        rules = [
            renamed(ServerSideEncryptionByDefault="ApplyServerSideEncryptionByDefault")(rule)
            for rule in wanted["ServerSideEncryptionConfiguration"]
        ]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if wanted := after.get("LifecycleConfiguration"):
        rules = [_lifecycle_rule(**rule) for rule in wanted["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    for part, put in (
        ("PublicAccessBlockConfiguration", s3.put_public_access_block),
        ("OwnershipControls", s3.put_bucket_ownership_controls),
        ("VersioningConfiguration", s3.put_bucket_versioning),
    ):
        if part in after:
            put(Bucket=name, **{part: after[part]})


def _lifecycle_rule(*, Id: str, Prefix: str = "", ExpirationInDays: int = 0, **same: Any) -> dict[str, Any]:  # noqa: N803 -- CloudFormation's
    """A rule as S3 has it."""
    expiration = {"Expiration": {"Days": ExpirationInDays}} if ExpirationInDays else {}
    return {"ID": Id, "Filter": {"Prefix": Prefix}, **expiration, **same}


def _set_up_bucket_policy(s3: Any, bucket: str, before: Properties, after: Properties) -> None:
    if before:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(after["PolicyDocument"]))


def _set_up_log_group(logs: Any, name: str, before: Properties, after: Properties) -> None:
    key = after.get("KmsKeyId")
    if before and key and key != before.get("KmsKeyId"):
        logs.associate_kms_key(logGroupName=name, kmsKeyId=key)
    logs.put_retention_policy(logGroupName=name, retentionInDays=after["RetentionInDays"])


def _set_up_role(iam: Any, name: str, before: Properties, after: Properties) -> None:
    if before:
        trust = json.dumps(after["AssumeRolePolicyDocument"])
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        _set_boundary(iam, name, before.get("PermissionsBoundary"), after.get("PermissionsBoundary"))
    wanted = {one["PolicyName"]: json.dumps(one["PolicyDocument"]) for one in after.get("Policies", [])}
    for one in before.get("Policies", []):
        if one["PolicyName"] not in wanted:
            iam.delete_role_policy(RoleName=name, PolicyName=one["PolicyName"])
    for policy, document in wanted.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)


def _set_boundary(iam: Any, name: str, before: str | None, after: str | None) -> None:
    if after and after != before:
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=after)
    if before and not after:
        iam.delete_role_permissions_boundary(RoleName=name)


def _delete_role(iam: Any, made: Made) -> None:
    for one in made.properties.get("Policies", []):
        iam.delete_role_policy(RoleName=made.physical_id, PolicyName=one["PolicyName"])
    iam.delete_role(RoleName=made.physical_id)


def _set_up_profile(iam: Any, name: str, _: Properties, after: Properties) -> None:
    for role in after["Roles"]:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)


def _delete_profile(iam: Any, made: Made) -> None:
    for role in made.properties["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=made.physical_id, RoleName=role)
    iam.delete_instance_profile(InstanceProfileName=made.physical_id)


def _set_up_backups(dlm: Any, policy: str, before: Properties, after: Properties) -> None:
    if before:
        wanted = {name: value for name, value in after.items() if name != "Tags"}
        dlm.update_lifecycle_policy(PolicyId=policy, **wanted)


def _record(action: str, properties: Properties) -> Properties:
    """A change of one record, as Route 53's call takes it."""
    record = {
        "Name": properties["Name"],
        "Type": properties["Type"],
        "TTL": int(properties["TTL"]),
        "ResourceRecords": [{"Value": value} for value in properties["ResourceRecords"]],
    }
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    return {"HostedZoneId": properties["HostedZoneId"], "ChangeBatch": batch}


def _set_up_record(route53: Any, _name: str, _before: Properties, after: Properties) -> None:
    """Complete once Route 53's servers have it. Of a new one the id of its change is not known here: set once more."""
    change = route53.change_resource_record_sets(**_record("UPSERT", after))["ChangeInfo"]
    pace = {"Delay": 1, "MaxAttempts": 60}
    route53.get_waiter("resource_record_sets_changed").wait(Id=change["Id"], WaiterConfig=pace)


def _delete_record(route53: Any, made: Made) -> None:
    """One that another caller has deleted is gone as others are; Route 53 has no code of its own for that."""
    try:
        route53.change_resource_record_sets(**_record("DELETE", made.properties))
    except ClientError as error:
        if "but it was not found" not in message_of(error):
            raise


def _budget(properties: Properties) -> Properties:
    """A budget, as the service's call takes it; amounts are text there."""
    amount = properties["Budget"]["BudgetLimit"]
    limit = {**amount, "Amount": str(amount["Amount"])}
    return {**properties, "AccountId": ACCOUNT, "Budget": {**properties["Budget"], "BudgetLimit": limit}}


def _delete_budget(budgets: Any, made: Made) -> None:
    budgets.delete_budget(AccountId=ACCOUNT, BudgetName=made.physical_id)


KINDS: Mapping[str, Kind] = {
    "AWS::Budgets::Budget": Kind(
        service="budgets", create_by="create_budget", ref="{Budget[BudgetName]}", request=_budget,
        is_taggable=False, delete_by=_delete_budget,
    ),
    "AWS::DLM::LifecyclePolicy": Kind(
        service="dlm", create_by="create_lifecycle_policy", ref="{answer[PolicyId]}",
        set_up=_set_up_backups,
        changeable=frozenset({"Description", "ExecutionRoleArn", "PolicyDetails", "State"}),
        delete_by="delete_lifecycle_policy", delete_with=("PolicyId",),
    ),
    "AWS::DynamoDB::Table": Kind(
        service="dynamodb", create_by="create_table", ref="{TableName}",
        attributes={"Arn": "{answer[TableDescription][TableArn]}"},
        delete_by="delete_table", delete_with=("TableName",), request=_table, set_up=_set_up_table,
        changeable=frozenset(
            {"PointInTimeRecoverySpecification", "DeletionProtectionEnabled", "TimeToLiveSpecification",
             "SSESpecification"}
        ),
    ),
    "AWS::EC2::EIP": Kind(
        service="ec2", create_by="allocate_address", tag_type="elastic-ip", ref="{answer[PublicIp]}",
        attributes={"AllocationId": "{answer[AllocationId]}", "PublicIp": "{answer[PublicIp]}"},
        delete_by="release_address", delete_with=("AllocationId",),
    ),
    "AWS::EC2::EIPAssociation": Kind(
        service="ec2", create_by="associate_address", ref="{answer[AssociationId]}",
        delete_by="disassociate_address", delete_with=("AssociationId",),
    ),
    "AWS::EC2::EgressOnlyInternetGateway": Kind(
        service="ec2", create_by="create_egress_only_internet_gateway", tag_type="egress-only-internet-gateway",
        ref="{answer[EgressOnlyInternetGateway][EgressOnlyInternetGatewayId]}", check=_refuse_second_gateway,
        delete_by="delete_egress_only_internet_gateway", delete_with=("EgressOnlyInternetGatewayId",),
    ),
    "AWS::EC2::InternetGateway": Kind(
        service="ec2", create_by="create_internet_gateway", tag_type="internet-gateway",
        ref="{answer[InternetGateway][InternetGatewayId]}",
        delete_by="delete_internet_gateway", delete_with=("InternetGatewayId",),
    ),
    "AWS::EC2::NatGateway": Kind(
        service="ec2", create_by="create_nat_gateway", tag_type="natgateway",
        ref="{answer[NatGateway][NatGatewayId]}", delete_by=_delete_nat_gateway,
    ),
    "AWS::EC2::NetworkInterface": Kind(
        service="ec2", create_by="create_network_interface", tag_type="network-interface",
        ref="{answer[NetworkInterface][NetworkInterfaceId]}",
        attributes={"PrimaryPrivateIpAddress": "{answer[NetworkInterface][PrivateIpAddress]}"},
        request=renamed(GroupSet="Groups"),
        set_up=_set_up_interface, changeable=frozenset({"SourceDestCheck", "GroupSet"}),
        delete_by="delete_network_interface", delete_with=("NetworkInterfaceId",),
    ),
    "AWS::EC2::Route": Kind(
        service="ec2", create_by="create_route", ref=_route_id, check=_check_route,
        set_up=_lead_route, changeable=frozenset(TARGETS), delete_by=_delete_route,
    ),
    "AWS::EC2::RouteTable": Kind(
        service="ec2", create_by="create_route_table", tag_type="route-table",
        ref="{answer[RouteTable][RouteTableId]}", delete_by="delete_route_table", delete_with=("RouteTableId",),
    ),
    "AWS::EC2::SecurityGroup": Kind(
        service="ec2", create_by="create_security_group", tag_type="security-group", ref="{answer[GroupId]}",
        attributes={"GroupId": "{answer[GroupId]}"},
        request=with_name("GroupName", GroupDescription="Description"), set_up=_let_out,
        delete_by="delete_security_group", delete_with=("GroupId",),
    ),
    "AWS::EC2::SecurityGroupIngress": Kind(
        service="ec2", create_by="authorize_security_group_ingress",
        ref="{answer[SecurityGroupRules][0][SecurityGroupRuleId]}", check=_check_rule, request=_rule,
        delete_by="revoke_security_group_ingress", delete_with=("GroupId", "IpPermissions"),
    ),
    "AWS::EC2::Subnet": Kind(
        service="ec2", create_by="create_subnet", tag_type="subnet", ref="{answer[Subnet][SubnetId]}",
        check=_check_subnet, set_up=_set_up_subnet,
        changeable=frozenset({"MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation"}),
        delete_by="delete_subnet", delete_with=("SubnetId",),
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Kind(
        service="ec2", create_by="associate_route_table", ref="{answer[AssociationId]}",
        delete_by="disassociate_route_table", delete_with=("AssociationId",),
    ),
    "AWS::EC2::VPC": Kind(
        service="ec2", create_by="create_vpc", tag_type="vpc", ref="{answer[Vpc][VpcId]}",
        set_up=_set_up_vpc, changeable=frozenset({"EnableDnsSupport", "EnableDnsHostnames"}),
        late={"Ipv6CidrBlocks": _ipv6_ranges},
        delete_by="delete_vpc", delete_with=("VpcId",),
    ),
    "AWS::EC2::VPCCidrBlock": Kind(
        service="ec2", create_by="associate_vpc_cidr_block", is_taggable=False,
        ref="{answer[Ipv6CidrBlockAssociation][AssociationId]}",
        delete_by="disassociate_vpc_cidr_block", delete_with=("AssociationId",),
    ),
    "AWS::EC2::VPCEndpoint": Kind(
        service="ec2", create_by="create_vpc_endpoint", tag_type="vpc-endpoint",
        ref="{answer[VpcEndpoint][VpcEndpointId]}", delete_by=_delete_endpoint,
    ),
    "AWS::EC2::VPCGatewayAttachment": Kind(
        service="ec2", create_by="attach_internet_gateway", ref="IGW|{VpcId}",
        delete_by="detach_internet_gateway", delete_with=("InternetGatewayId", "VpcId"),
    ),
    "AWS::IAM::InstanceProfile": Kind(
        service="iam", create_by="create_instance_profile", ref="{InstanceProfileName}", is_taggable=False,
        attributes={"Arn": "{answer[InstanceProfile][Arn]}"}, set_up=_set_up_profile, delete_by=_delete_profile,
    ),
    "AWS::IAM::Role": Kind(
        service="iam", create_by="create_role", ref="{RoleName}", attributes={"Arn": "{answer[Role][Arn]}"},
        set_up=_set_up_role, delete_by=_delete_role,
        changeable=frozenset({"AssumeRolePolicyDocument", "Policies", "PermissionsBoundary"}),
    ),
    "AWS::Logs::LogGroup": Kind(
        service="logs", create_by="create_log_group", ref="{LogGroupName}",
        set_up=_set_up_log_group, changeable=frozenset({"RetentionInDays", "KmsKeyId"}),
        delete_by="delete_log_group", delete_with=("logGroupName",),
    ),
    "AWS::Route53::RecordSet": Kind(
        service="route53", create_by="change_resource_record_sets", ref="{Name}",
        request=partial(_record, "CREATE"), set_up=_set_up_record, changeable=frozenset({"TTL", "ResourceRecords"}),
        delete_by=_delete_record,
    ),
    "AWS::S3::Bucket": Kind(
        service="s3", create_by="create_bucket", ref="{BucketName}", request=renamed(BucketName="Bucket"),
        attributes={"Arn": "arn:aws:s3:::{BucketName}"}, set_up=_set_up_bucket,
        changeable=frozenset(
            {"BucketEncryption", "PublicAccessBlockConfiguration", "OwnershipControls", "VersioningConfiguration",
             "LifecycleConfiguration"}
        ),
        delete_by="delete_bucket", delete_with=("Bucket",),
    ),
    "AWS::S3::BucketPolicy": Kind(
        service="s3", create_by="put_bucket_policy", ref="{Bucket}", request=renamed(PolicyDocument="Policy"),
        set_up=_set_up_bucket_policy, changeable=frozenset({"PolicyDocument"}),
        delete_by="delete_bucket_policy", delete_with=("Bucket",),
    ),
}  # fmt: skip
