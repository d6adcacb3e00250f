"""RunInstances as EC2 does it: tokens, limits, capacity and disks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses._base_response import EC2BaseResponse
from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.ec2.images import Images
from bootstrap.local.cloud.ec2.instances import Machine, Machines
from bootstrap.local.cloud.ec2.lifecycle import BY_CODE, Lifecycle
from bootstrap.local.cloud.ec2.rules import COSTING, ClientTokens, State, check_token, fingerprint
from bootstrap.local.cloud.emulator import Emulator, with_form
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.hypervisor.disks import Disks
from bootstrap.local.cloud.kms import Keys
from bootstrap.local.cloud.wire import Call

DEFAULT_TYPE = "m1.small"
VCPU_LIMIT = 5
ACCOUNT_FAULTS = {
    "pending-verification": AwsError(
        "PendingVerification",
        "Your request for accessing resources in this region is being validated, and you will not be able to launch "
        "additional resources in this region until the validation is complete.",
    ),
    "opt-in-required": AwsError(
        "OptInRequired",
        "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.",
        401,
    ),
    "blocked": AwsError(
        "Blocked", "This account is currently blocked and not recognized as a valid account.", 403
    ),
}
"""What EC2 answers to every launch of such an account."""
TRANSFORMERS = {
    path: change
    for path, change in EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.items()
    if "State" not in path
}


@dataclass(slots=True)
class Launching:
    """Launches instances. Used under the emulator's lock."""

    emulator: Emulator
    machines: Machines
    lifecycle: Lifecycle
    images: Images
    faults: Faults
    tokens: ClientTokens
    keys: Keys
    disks: Disks

    def run(self, call: Call, parameters: Mapping[str, Any]) -> Response:
        """Launches, or answers again what the same token launched before. Raises AwsError."""
        ec2 = self.emulator.backend("ec2")
        count = _count(parameters)
        token, zone = parameters.get("ClientToken", ""), self._zone(parameters)
        check_token(token)
        print_ = fingerprint(call.form)
        if token and (earlier := self.tokens.find(token, zone, print_)):
            return self._again(call, earlier)
        if not parameters.get("DryRun"):
            self._check_capacity(parameters, count, zone)
        response = self.emulator.forward(call.service, with_form(call.request, _form(call.form, count)))
        if response.status_code >= 400:
            return response
        reservation = list(ec2.reservations.values())[-1]
        for instance in reservation.instances:
            self._complete(instance, parameters)
            machine = self.lifecycle.launch(instance, self.images.root_size(str(instance.image_id)))
            self.ask_for_keys(call, machine)
            self._keep_interfaces(instance.id, parameters)
        if token:
            ids = [instance.id for instance in reservation.instances]
            self.tokens.remember(token, zone, print_, reservation.id, ids)
        return wire.answer(call, reservation, TRANSFORMERS)

    def ask_for_keys(self, call: Call, machine: Machine) -> None:
        """A machine that has just been launched or started ends if its disks cannot be decrypted for the caller."""
        disks = [block.volume_id for _, block in machine.instance.get_block_device_mapping]
        machine.ends = BY_CODE.get(self.keys.end_of(call, disks) or "")

    def check_limits(self, instance_types: list[str], zone: str, *, starting: bool) -> None:
        """Raises AwsError when these cannot run now: no capacity, or above the account's vCPU limit."""
        for instance_type in instance_types:
            if self.faults.hits("capacity", instance_type):
                raise _no_capacity(instance_type, zone, starting=starting)
        running = [str(one.instance.instance_type) for one in self.machines if one.state in COSTING]
        wanted = sum(map(vcpus, [*running, *instance_types]))
        if self.faults.is_on("vcpu-limit") and wanted > VCPU_LIMIT:
            raise _over_limit()

    def _zone(self, parameters: Mapping[str, Any]) -> str:
        for interface in self._existing_interfaces(parameters):
            return str(interface.subnet.availability_zone)
        subnet_id = parameters.get("SubnetId") or _interface_subnet(parameters)
        if subnet_id:
            subnet = next((one for one in self._subnets() if one.id == subnet_id), None)
            if subnet is None:
                raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
            return str(subnet.availability_zone)
        return str(parameters.get("Placement", {}).get("AvailabilityZone") or f"{self.emulator.region}a")

    def _keep_interfaces(self, instance_id: str, parameters: Mapping[str, Any]) -> None:
        """A network interface that existed before outlasts its instance."""
        for interface in self._existing_interfaces(parameters):
            interface.delete_on_termination = False
        self.machines.by_id[instance_id].kept_interfaces = frozenset(_interfaces(parameters))

    def _existing_interfaces(self, parameters: Mapping[str, Any]) -> list[Any]:
        enis = self.emulator.backend("ec2").enis
        return [enis[one] for one in _interfaces(parameters) if one in enis]

    def _subnets(self) -> list[Any]:
        zones = self.emulator.backend("ec2").subnets.values()
        return [subnet for subnets in zones for subnet in subnets.values()]

    def _check_capacity(self, parameters: Mapping[str, Any], count: int, zone: str) -> None:
        instance_type = parameters.get("InstanceType", DEFAULT_TYPE)
        if instance_type not in INSTANCE_TYPES:
            raise AwsError("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
        self._check_account(INSTANCE_TYPES[instance_type])
        if "CreditSpecification" in parameters:
            check_credits(INSTANCE_TYPES[instance_type], parameters["CreditSpecification"])
        self.check_limits([instance_type] * count, zone, starting=False)
        disks = parameters.get("BlockDeviceMappings", [])
        self.images.check_launch(str(parameters.get("ImageId", "")), INSTANCE_TYPES[instance_type], disks)
        for interface in self._existing_interfaces(parameters):
            if interface.status == "in-use":
                raise AwsError("InvalidNetworkInterface.InUse", f"Interface: [{interface.id}] in use.")
        subnet_id = parameters.get("SubnetId") or _interface_subnet(parameters)
        for subnet in self._subnets():
            if subnet.id == subnet_id and subnet.available_ip_address_count < count:
                message = (
                    f"There are not enough free addresses in subnet '{subnet_id}' "
                    "to satisfy the requested number of instances."
                )
                raise AwsError("InsufficientFreeAddressesInSubnet", message)

    def _check_account(self, instance_type: Mapping[str, Any]) -> None:
        for name, error in ACCOUNT_FAULTS.items():
            if self.faults.is_on(name):
                raise error
        if self.faults.is_on("free-plan") and not instance_type["FreeTierEligible"]:
            message = (
                "The specified instance type is not eligible for Free Tier. For a list of Free Tier instance types, "
                "run 'describe-instance-types' with the filter 'free-tier-eligible=true'."
            )
            raise AwsError("InvalidParameterCombination", message)

    def _again(self, call: Call, earlier: tuple[str, list[str]]) -> Response:
        reservation_id, instance_ids = earlier
        machines = [self.machines.by_id.get(one) for one in instance_ids]
        gone = [
            one for one in machines if one is None or one.state in (State.SHUTTING_DOWN, State.TERMINATED)
        ]
        if gone:
            message = "The client token you have provided is associated with an already terminated instance."
            raise AwsError("IdempotentInstanceTerminated", message)
        return wire.answer(call, self.emulator.backend("ec2").reservations[reservation_id], TRANSFORMERS)

    def _complete(self, instance: Any, parameters: Mapping[str, Any]) -> None:
        """What moto leaves out: termination protection, the disks' fate, the profiles of all, the tags of new
        network interfaces.
        """
        ec2 = self.emulator.backend("ec2")
        kept = self._existing_interfaces(parameters)
        for interface in instance.nics.values():
            if interface not in kept:
                interface.add_tags(_tags_of("network-interface", parameters))
        instance.disable_api_termination = bool(parameters.get("DisableApiTermination"))
        instance.disable_api_stop = bool(parameters.get("DisableApiStop"))
        root = instance.root_device_name
        for mapping in parameters.get("BlockDeviceMappings", []):
            disk = mapping.get("Ebs", {})
            if mapping.get("DeviceName") == root and "DeleteOnTermination" not in disk:
                instance.block_device_mapping[root].delete_on_termination = True
            if snapshot := disk.get("SnapshotId"):
                made = instance.block_device_mapping[mapping["DeviceName"]]
                self.disks.copy(snapshot, str(made.volume_id))
        for mapped in instance.block_device_mapping.values():
            # DescribeVolumes says it too, of attachments.
            ec2.volumes[mapped.volume_id].attachment.delete_on_termination = bool(
                mapped.delete_on_termination
            )
        profile = parameters.get("IamInstanceProfile")
        if profile and instance.id not in ec2.iam_instance_profile_associations:
            ec2.associate_iam_instance_profile(
                instance_id=instance.id,
                iam_instance_profile_name=profile.get("Name"),
                iam_instance_profile_arn=profile.get("Arn"),
            )


def check_credits(instance_type: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises AwsError for CPU credits that the type does not have."""
    if not instance_type["BurstablePerformanceSupported"]:
        message = f"The parameter CreditSpecification cannot be used with {instance_type['InstanceType']}."
        raise AwsError("InvalidParameterCombination", message)
    if wanted.get("CpuCredits") not in ("standard", "unlimited"):
        message = f"Invalid value '{wanted.get('CpuCredits')}' for CpuCredits."
        raise AwsError("InvalidParameterValue", message)


def vcpus(instance_type: str) -> int:
    """vCPUs of an instance type."""
    return int(INSTANCE_TYPES[instance_type]["VCpuInfo"]["DefaultVCpus"])


def _count(parameters: Mapping[str, Any]) -> int:
    """EC2 launches as many as it has capacity for."""
    minimum, maximum = int(parameters.get("MinCount", 1)), int(parameters.get("MaxCount", 1))
    if minimum < 1 or maximum < 1:
        raise AwsError(
            "InvalidParameterValue", "Value (0) for parameter minCount is invalid. Minimum value is 1."
        )
    if minimum > maximum:
        message = (
            f"Value ({minimum}) for parameter minCount is invalid. Must be less than or equal to maxCount."
        )
        raise AwsError("InvalidParameterCombination", message)
    return maximum


def _tags_of(kind: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The tags that the launch gives to what it creates of this kind."""
    specified = [one for one in parameters.get("TagSpecifications", []) if one.get("ResourceType") == kind]
    return {tag["Key"]: tag.get("Value", "") for one in specified for tag in one.get("Tags", [])}


def _form(form: Mapping[str, str], count: int) -> dict[str, str]:
    """moto launches MinCount instances."""
    return {**form, "MinCount": str(count), "MaxCount": str(count)}


def _interface_subnet(parameters: Mapping[str, Any]) -> str | None:
    interfaces = parameters.get("NetworkInterfaces", [])
    return next((one["SubnetId"] for one in interfaces if "SubnetId" in one), None)


def _interfaces(parameters: Mapping[str, Any]) -> list[str]:
    """Ids of the network interfaces that exist already."""
    given = parameters.get("NetworkInterfaces", [])
    return [one["NetworkInterfaceId"] for one in given if "NetworkInterfaceId" in one]


def _no_capacity(instance_type: str, zone: str, *, starting: bool) -> AwsError:
    if starting:
        return AwsError("InsufficientInstanceCapacity", "Insufficient capacity.", 500)
    message = (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested "
        f"({zone}). Our system will be working on provisioning additional capacity."
    )
    return AwsError("InsufficientInstanceCapacity", message, 500)


def _over_limit() -> AwsError:
    message = (
        f"You have requested more vCPU capacity than your current vCPU limit of {VCPU_LIMIT} allows for the instance "
        "bucket that the specified instance type belongs to. "
        "Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
    )
    return AwsError("VcpuLimitExceeded", message)
