"""Tags of EC2 resources go with them, as EC2 has it: moto keeps those of what was deleted."""

import re

from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.messages import Response
from bootstrap.local.cloud.wire import Call

ENDING = ("Delete", "Deregister", "Release")
KEPT = "DeleteTags"
RESOURCE_ID = re.compile(r"[a-z]+-[0-9a-f]{8,17}")


def forget_tags(emulator: Emulator, call: Call, response: Response) -> None:
    """After a call that has ended resources. Used under the emulator's lock."""
    if (
        call.service != "ec2"
        or not call.action.startswith(ENDING)
        or call.action == KEPT
        or response.status >= 400
    ):
        return
    tags = emulator.backend("ec2").tags
    for value in call.form.values():
        if RESOURCE_ID.fullmatch(value):
            tags.pop(value, None)
