"""The kinds of resources that stacks may hold here."""

from collections.abc import Mapping

from bootstrap.local.cloud.formation import ec2_resources as ec2
from bootstrap.local.cloud.formation import other_resources as other
from bootstrap.local.cloud.formation.provider import Provider

KINDS: Mapping[str, Provider] = {
    "AWS::DynamoDB::Table": other.Table(),
    "AWS::EC2::EIP": ec2.Address(),
    "AWS::EC2::EIPAssociation": ec2.AddressAssociation(),
    "AWS::EC2::InternetGateway": ec2.INTERNET_GATEWAY,
    "AWS::EC2::NatGateway": ec2.NatGateway(),
    "AWS::EC2::NetworkInterface": ec2.INTERFACE,
    "AWS::EC2::Route": ec2.Route(),
    "AWS::EC2::RouteTable": ec2.ROUTE_TABLE,
    "AWS::EC2::SecurityGroup": ec2.SECURITY_GROUP,
    "AWS::EC2::SecurityGroupIngress": ec2.Ingress(),
    "AWS::EC2::Subnet": ec2.SUBNET,
    "AWS::EC2::SubnetRouteTableAssociation": ec2.SubnetRoutes(),
    "AWS::EC2::VPC": ec2.VPC,
    "AWS::EC2::VPCEndpoint": ec2.Endpoint(),
    "AWS::EC2::VPCGatewayAttachment": ec2.GatewayAttachment(),
    "AWS::IAM::InstanceProfile": other.InstanceProfile(),
    "AWS::IAM::Role": other.Role(),
    "AWS::Logs::LogGroup": other.LogGroup(),
    "AWS::S3::Bucket": other.Bucket(),
    "AWS::S3::BucketPolicy": other.BucketPolicy(),
}
