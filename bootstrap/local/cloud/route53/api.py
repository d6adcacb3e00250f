"""Changes of records as calls: refused or carried out, and in sync with Route 53's servers some time later."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.route53.batches import Change, Held, canonical, changed
from bootstrap.local.cloud.wire import Call

SYNC_SECONDS = 1.0
"""AWS takes up to a minute."""
PLAIN = {"Name", "Type", "TTL", "ResourceRecords"}


@dataclass(slots=True)
class Records:
    """The records of the account's zones. Used under the emulator's lock."""

    emulator: Emulator
    clock: Callable[[], float]

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        """What answers each call, by its action."""
        return {"ChangeResourceRecordSets": self._change, "GetChange": self._get_change}

    def _change(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        zone = self.emulator.backend("route53").zones.get(parameters["HostedZoneId"].rpartition("/")[2])
        if zone is None:
            message = f"No hosted zone found with ID: {parameters['HostedZoneId']}"
            raise AwsError("NoSuchHostedZone", message, 404)
        batch = [_read(one) for one in parameters["ChangeBatch"]["Changes"]]
        held = {(one.name, one.type): Held(int(one.ttl), tuple(one.records)) for one in _own(zone)}
        result, refusals = changed(canonical(zone.name), held, batch)
        if refusals:
            raise AwsError("InvalidChangeBatch", f"[{', '.join(refusals)}]")
        for one in _own(zone):
            zone.rrsets.remove(one)
        for (name, kind), content in result.items():
            zone.add_rrset(
                {"Name": name, "Type": kind, "TTL": content.ttl, "ResourceRecords": list(content.values)}
            )
        return self._info(call, self.clock())

    def _get_change(self, call: Call) -> Response:
        change_id = wire.parameters(call)["Id"].rpartition("/")[2]
        try:
            at = int(change_id.removeprefix("C"), 16) / 1000
        except ValueError as error:
            raise AwsError("NoSuchChange", f"A change with id {change_id} does not exist.", 404) from error
        return self._info(call, at)

    def _info(self, call: Call, at: float) -> Response:
        """A change's id is its time: it need not be kept."""
        info = {
            "Id": f"/change/C{round(at * 1000):X}",
            "Status": "INSYNC" if self.clock() - at >= SYNC_SECONDS else "PENDING",
            "SubmittedAt": datetime.fromtimestamp(at, UTC),
        }
        return wire.answer(call, {"ChangeInfo": info})


def _own(zone: Any) -> list[Any]:
    """The records that callers may change: not those of the zone itself."""
    return [one for one in zone.rrsets if one.type != "SOA" and (one.type, one.name) != ("NS", zone.name)]


def _read(change: Mapping[str, Any]) -> Change:
    """Raises AwsError for what the local cloud does not know: aliases, routing policies, records without a TTL."""
    record = change["ResourceRecordSet"]
    name, kind = canonical(record["Name"]), record["Type"]
    if set(record) != PLAIN:
        message = (
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId] in Change with [Action={change['Action']}, Name={name}, Type={kind}]"
        )
        raise AwsError("InvalidInput", message)
    values = tuple(one["Value"] for one in record["ResourceRecords"])
    return Change(change["Action"], (name, kind), Held(int(record["TTL"]), values))
