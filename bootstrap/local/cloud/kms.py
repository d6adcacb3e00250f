"""Customer managed keys: what services ask KMS about in the name of their callers, and what KMS answers.

EC2 asks when a machine gets its disks, which is after it has accepted the launch or start; Parameter Store, DynamoDB
and S3 ask before they answer. AWS's own keys (`alias/aws/...`) may be used by all roles of the account.
Sources: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import moto.kms.models
from werkzeug import Response

from bootstrap.aws import keys as key_policies
from bootstrap.local.cloud import wire
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.iam_policies import is_allowed
from bootstrap.local.cloud.wire import Call

NO_GRANT, WRONG_STATE = "Client.InternalError", "Client.InvalidKMSKey.InvalidState"
"""Why EC2 ends a machine after it has accepted its launch or start: the codes of StateReason."""
NEW_DISK = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
KNOWN_DISK = ("kms:CreateGrant", "kms:Decrypt")
ITEMS = ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
OBJECTS = {"GetObject": "kms:Decrypt", "HeadObject": "kms:Decrypt", "PutObject": "kms:GenerateDataKey"}
AWS_OWN = "alias/aws/"
GRANT = "kms:GrantIsForAWSResource"
LONGEST_STANDARD = 4096
"""Characters of a parameter that is encrypted without a data key."""

Values = Mapping[str, tuple[str, ...]]
Asked = tuple[str, str, Values]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a customer managed key (moto's), with the context that KMS gets."""

    key: Any
    actions: tuple[str, ...]
    context: Values

    def asked(self) -> Iterator[Asked]:
        """What IAM is asked: action, resource, and the condition keys with their values."""
        for action in self.actions:
            grant = {GRANT: ("true",)} if action == "kms:CreateGrant" else {}
            yield action, str(self.key.arn), {**self.context, **grant}


@dataclass(slots=True)
class Keys:
    """Answers for keys. Used under the emulator's lock."""

    emulator: Emulator

    def handlers(self) -> Mapping[tuple[str, str], Callable[[Call], Response]]:
        """What answers each call, by service and action."""
        return {
            ("kms", "DescribeKey"): self._describe,
            ("ec2", "GetEbsDefaultKmsKeyId"): self._default,
            ("dynamodb", "UpdateTable"): self._update_table,
        }

    def asked(self, call: Call, parameters: Mapping[str, Any]) -> list[Asked]:
        """What IAM is asked about the keys that a call uses, those of a new machine's disks too."""
        uses = [*self._uses(call, parameters), *self._of_launch(call, parameters)]
        return [one for use in uses for one in use.asked()]

    def check(self, call: Call, parameters: Mapping[str, Any]) -> None:
        """Raises AwsError, as the service that is called, where its caller may not use a key."""
        for use in self._uses(call, parameters):
            if reason := self._refusal(use, call.principal):
                raise _refused(call, use, reason)

    def end_of(self, call: Call, volumes: Iterable[str]) -> str | None:
        """Why EC2 ends a machine with these disks that the caller has launched or started; None where it does not."""
        actions = NEW_DISK if call.action == "RunInstances" else KNOWN_DISK
        for volume in volumes:
            found = self.emulator.backend("ec2").volumes[volume]
            for use in self._of_disk(found.kms_key_id if found.encrypted else None, actions):
                if reason := self._refusal(use, call.principal):
                    return reason
        return None

    def lets_snapshot(self, role: str, volume: str) -> bool:
        """May a service that has this role make snapshots of a volume?"""
        found = self.emulator.backend("ec2").volumes[volume]
        uses = self._of_disk(found.kms_key_id if found.encrypted else None, NEW_DISK)
        return not any(self._refusal(use, f"{role}/service") for use in uses)

    def _refusal(self, use: Use, principal: str) -> str | None:
        """Callers who are no role are the operator, an administrator."""
        if use.key.key_state != "Enabled":
            return WRONG_STATE
        if not key_policies.delegates(json.loads(use.key.policy), self.emulator.account):
            return NO_GRANT
        role, _, session = principal.partition("/")
        documents = self._policies(role) if session else None
        if documents is None:
            return None
        return None if all(is_allowed(documents, *one) for one in use.asked()) else NO_GRANT

    def _policies(self, name: str) -> list[Mapping[str, Any]]:
        roles = [one for one in self.emulator.backend("iam").roles.values() if one.name == name]
        attached = [one.document for role in roles for one in role.managed_policies.values()]
        return [json.loads(one) for role in roles for one in (*role.policies.values(), *attached)]

    def _uses(self, call: Call, parameters: Mapping[str, Any]) -> Iterator[Use]:
        if call.service == "ssm":
            yield from self._of_parameters(call, parameters)
        elif call.service == "dynamodb" and call.action in ITEMS:
            yield from self._of_tables(parameters)
        elif call.service == "s3" and call.action in OBJECTS:
            yield from self._of_object(call, parameters)
        elif (call.service, call.action) == ("ec2", "AttachVolume"):
            volume = self.emulator.backend("ec2").volumes.get(parameters.get("VolumeId"))
            if volume is not None and volume.encrypted:
                yield from self._of_disk(volume.kms_key_id, KNOWN_DISK)
        elif (call.service, call.action) == ("ec2", "CreateVolume") and parameters.get("Encrypted"):
            yield from self._of_disk(parameters.get("KmsKeyId") or self._default_key(), NEW_DISK)

    def _of_launch(self, call: Call, parameters: Mapping[str, Any]) -> Iterator[Use]:
        if (call.service, call.action) != ("ec2", "RunInstances"):
            return
        for disk in parameters.get("BlockDeviceMappings", ()):
            given = disk.get("Ebs", {})
            if given.get("Encrypted"):
                yield from self._of_disk(given.get("KmsKeyId") or self._default_key(), NEW_DISK)

    def _of_disk(self, key_id: str | None, actions: tuple[str, ...]) -> Iterator[Use]:
        yield from self._use(key_id, actions, "ec2", {})

    def _of_parameters(self, call: Call, parameters: Mapping[str, Any]) -> Iterator[Use]:
        names = parameters.get("Names") or [parameters.get("Name", "")]
        if call.action in ("GetParameter", "GetParameters") and parameters.get("WithDecryption"):
            held = self.emulator.backend("ssm")._parameters
            for name in names:
                for one in held.get(name, [])[-1:]:
                    if one.parameter_type == "SecureString":
                        yield from self._use(one.keyid, ("kms:Decrypt",), "ssm", self._parameter(name))
        elif call.action == "PutParameter" and parameters.get("Type") == "SecureString":
            action = "kms:Encrypt" if len(parameters["Value"]) <= LONGEST_STANDARD else "kms:GenerateDataKey"
            yield from self._use(parameters.get("KeyId"), (action,), "ssm", self._parameter(names[0]))

    def _parameter(self, name: str) -> Values:
        where = f"{self.emulator.region}:{self.emulator.account}"
        return {"kms:EncryptionContext:PARAMETER_ARN": (f"arn:aws:ssm:{where}:parameter/{name.lstrip('/')}",)}

    def _of_tables(self, parameters: Mapping[str, Any]) -> Iterator[Use]:
        tables = self.emulator.backend("dynamodb").tables
        for name in parameters.get("RequestItems") or [parameters.get("TableName", "")]:
            given = (tables[name].sse_specification or {}) if name in tables else {}
            context = {"kms:EncryptionContext:aws:dynamodb:tableName": (name,)}
            yield from self._use(given.get("KMSMasterKeyId"), ("kms:Decrypt",), "dynamodb", context)

    def _of_object(self, call: Call, parameters: Mapping[str, Any]) -> Iterator[Use]:
        """By the bucket's default, which is all that ours have."""
        bucket = self.emulator.backend("s3").buckets.get(parameters["Bucket"])
        rule = ((bucket.encryption if bucket else None) or {}).get("Rule", {})
        rule = rule[0] if isinstance(rule, list) else rule
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if default.get("SSEAlgorithm") == "aws:kms":
            has_bucket_key = str(rule.get("BucketKeyEnabled")).lower() == "true"
            of = parameters["Bucket"] if has_bucket_key else f"{parameters['Bucket']}/{parameters['Key']}"
            context = {"kms:EncryptionContext:aws:s3:arn": (f"arn:aws:s3:::{of}",)}
            yield from self._use(default.get("KMSMasterKeyID"), (OBJECTS[call.action],), "s3", context)

    def _use(
        self, key_id: str | None, actions: tuple[str, ...], service: str, context: Values
    ) -> Iterator[Use]:
        """Nothing for AWS's own keys."""
        key = self._key(key_id)
        if key is not None and not _is_aws_own(key):
            via = f"{service}.{self.emulator.region}.amazonaws.com"
            yield Use(key, actions, {**context, "kms:ViaService": (via,)})

    def _key(self, key_id: str | None) -> Any:
        """moto's, by id, ARN or alias; None where there is none, as for AWS's own before their first use."""
        if not key_id or key_id.startswith(AWS_OWN):
            return None
        kms = self.emulator.backend("kms")
        return kms.keys.get(kms.any_id_to_key_id(key_id))

    def _default_key(self) -> str:
        return str(self.emulator.backend("ec2").default_kms_key_id)

    def _default(self, call: Call) -> Response:
        """Until another one is set, EC2 names its own by its alias."""
        key = self._key(self._default_key())
        return wire.answer(
            call, {"KmsKeyId": f"{AWS_OWN}ebs" if key is None or _is_aws_own(key) else key.arn}
        )

    def _describe(self, call: Call) -> Response:
        """moto makes AWS's own keys when they are first asked for, takes them for the customer's, and knows no usage
        where none was given.
        """
        self.emulator.forward(call.service, call.request)
        for key in self.emulator.backend("kms").keys.values():
            key.key_manager = "AWS" if _is_aws_own(key) else "CUSTOMER"
            key.key_usage = key.key_usage or "ENCRYPT_DECRYPT"
        return self.emulator.forward(call.service, call.request)

    def _update_table(self, call: Call) -> Response:
        """moto leaves the key of a table as it was made."""
        response = self.emulator.forward(call.service, call.request)
        parameters = wire.parameters(call)
        if response.status_code < 400 and "SSESpecification" in parameters:
            table = self.emulator.backend("dynamodb").tables[parameters["TableName"]]
            table.sse_specification = parameters["SSESpecification"]
        return response


def _is_aws_own(key: Any) -> bool:
    return any(name.startswith(AWS_OWN) for name in key.aliases)


def _refused(call: Call, use: Use, reason: str) -> AwsError:
    if reason == WRONG_STATE:
        code = "InvalidKeyId" if call.service == "ssm" else "KMSInvalidStateException"
        return AwsError(code, f"{use.key.arn} is {use.key.key_state}.")
    code = {"ec2": "UnauthorizedOperation", "s3": "AccessDenied"}.get(call.service, "AccessDeniedException")
    message = (
        f"User: {call.principal} is not authorized to perform: {use.actions[0]} on resource: {use.key.arn}"
    )
    return AwsError(code, message, 403 if call.service in ("ec2", "s3") else 400)


def keep_no_private_keys() -> None:
    """Have moto make keys that a snapshot can hold: without the private RSA key, which nothing here signs with."""
    moto.kms.models.generate_private_key = lambda *_: None
