"""ClientToken: the same token with the same parameters launches once per availability zone.

Source: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
"""

import hashlib
import json
from collections.abc import Mapping

from bootstrap.local.cloud.messages import AwsError

LONGEST = 64
NOT_PARAMETERS = ("Action", "Version", "ClientToken")


class ClientTokens:
    """What each token launched, per zone. Used under the emulator's lock; part of the snapshot."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], tuple[str, str, list[str]]] = {}

    def find(self, token: str, zone: str, fingerprint_: str) -> tuple[str, list[str]] | None:
        """Reservation and instance ids of the earlier launch. Raises AwsError if its parameters differed."""
        found = self.known.get((token, zone))
        if found is None:
            return None
        earlier, reservation_id, instance_ids = found
        if earlier != fingerprint_:
            message = "The client token you have provided has been used with a different set of parameters."
            raise AwsError("IdempotentParameterMismatch", message)
        return reservation_id, instance_ids

    def remember(
        self, token: str, zone: str, fingerprint_: str, reservation_id: str, instance_ids: list[str]
    ) -> None:
        self.known[(token, zone)] = (fingerprint_, reservation_id, instance_ids)


def judge_token(token: str) -> None:
    """Raises AwsError for a token that EC2 does not take."""
    if len(token) > LONGEST or not token.isascii():
        raise AwsError("InvalidParameterValue", f"Invalid value '{token}' for parameter clientToken")


def fingerprint(form: Mapping[str, str]) -> str:
    """The same for the same parameters, in whatever order they were sent."""
    asked = sorted((name, value) for name, value in form.items() if name not in NOT_PARAMETERS)
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
