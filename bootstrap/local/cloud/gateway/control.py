"""The control API at /_cloud/: what the cloud's own tools see and switch. Not part of AWS.

Every request needs the operator's secret, which only the user who started the local cloud can read:
`Authorization: Bearer <secret>`.
"""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from werkzeug import Request, Response

from bootstrap.local.cloud.cloudwatch.metrics import STANDARD_RESOLUTION, Metric, Record, Sample
from bootstrap.local.cloud.ec2.images import Images
from bootstrap.local.cloud.ec2.instances import Machine, Machines
from bootstrap.local.cloud.ec2.lifecycle import Lifecycle
from bootstrap.local.cloud.ec2.rules import State
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError, UnknownFaultError
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.gateway.authentication import Identities
from bootstrap.local.cloud.gateway.call_log import CallLog
from bootstrap.local.cloud.gateway.metadata import MetadataPaths
from bootstrap.local.cloud.gateway.throttling import Throttle
from bootstrap.local.cloud.hypervisor.host import Hypervisor
from bootstrap.local.cloud.wire import read_call, refuse

CONTROL_PREFIX = "/_cloud/"


@dataclass(slots=True)
class Control:
    """Answers control requests. Takes the emulator's lock itself; needs the operator's secret for each."""

    emulator: Emulator
    machines: Machines
    lifecycle: Lifecycle
    hypervisor: Hypervisor
    images: Images
    paths: MetadataPaths
    faults: Faults
    calls: CallLog
    record: Record
    identities: Identities
    throttle: Throttle
    authorization: str
    """The header that every request must have."""

    def answer(self, request: Request) -> Response:
        """JSON, or a line of text with an error's status."""
        name = request.path.removeprefix(CONTROL_PREFIX)
        served: dict[tuple[str, str], Callable[[Request], object]] = {
            ("GET", "health"): lambda _: {"status": "ok"},
            ("GET", "state"): self._state,
            ("GET", "calls"): lambda it: {"calls": self.calls.since(int(it.args.get("since", 0)))},
            ("GET", "permissions"): lambda _: {"permissions": self.calls.permissions()},
            ("POST", "faults"): self._switch_fault,
            ("POST", "images"): self._register_image,
            ("POST", "metrics"): self._take_metrics,
            ("POST", "metadata"): self._metadata_path,
            ("POST", "poweroff"): self._power_off,
            ("POST", "signature"): self._check_signature,
        }
        if not self._is_operator(request):
            return Response(
                "not the operator: send Authorization: Bearer <operator-secret of the state directory>", 403
            )
        serve = served.get((request.method, name))
        if serve is None:
            known = ", ".join(f"{method} {CONTROL_PREFIX}{name}" for method, name in served)
            return Response(f"there is no {request.method} {request.path}; there are: {known}", 404)
        try:
            with self.emulator.lock:
                result = serve(request)
        except (ValueError, KeyError, TypeError) as error:
            return Response(f"cannot read the request: {error!r}", 400)
        except UnknownFaultError as error:
            return Response(str(error), 400)
        except AwsError as error:
            return Response(str(error), error.status)
        return result if isinstance(result, Response) else _json(result)

    def _is_operator(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, self.authorization.encode())

    def _state(self, _: Request) -> object:
        return {
            "instances": [self._describe(machine) for machine in self.machines],
            "faults": self.faults.names_on(),
            "calls": self.calls.counts(),
        }

    def _describe(self, machine: Machine) -> dict[str, Any]:
        instance = machine.instance
        return {
            "instance_id": machine.instance_id,
            "state": str(machine.state),
            "since": machine.state_at,
            "image": str(instance.image_id),
            "type": str(instance.instance_type),
            "zone": str(instance.availability_zone),
            "address": str(instance.private_ip_address),
            "tags": {tag["key"]: tag["value"] for tag in instance.get_tags()},
            "volumes": {device: str(block.volume_id) for device, block in instance.get_block_device_mapping},
            "cpu": round(machine.cpu_percent, 1) if machine.state is State.RUNNING else 0.0,
            "pid": self.hypervisor.pid(machine.instance_id),
            "dead": machine.is_dead,
        }

    def _switch_fault(self, request: Request) -> object:
        parameters = json.loads(request.get_data())
        delay = timedelta(seconds=float(parameters["seconds"])) if "seconds" in parameters else None
        types = tuple(parameters.get("instance_types", []))
        self.faults.switch(
            str(parameters["name"]), on=bool(parameters["on"]), delay=delay, instance_types=types
        )
        return {"faults": self.faults.names_on()}

    def _register_image(self, request: Request) -> object:
        parameters = json.loads(request.get_data())
        command = parameters.get("command")
        self.images.register(str(parameters["image_id"]), tuple(map(str, command)) if command else None)
        return {"image_id": parameters["image_id"]}

    def _take_metrics(self, request: Request) -> object:
        """What AWS's own services measure: PutMetricData refuses the namespaces AWS/ from all callers."""
        parameters = json.loads(request.get_data())
        for one in parameters:
            dimensions = tuple(sorted((str(name), str(value)) for name, value in one["dimensions"]))
            value = float(one["value"])
            self.record(
                Metric(str(one["namespace"]), str(one["name"]), dimensions),
                Sample(float(one["at"]), value, value, value, 1.0, str(one["unit"])),
                STANDARD_RESOLUTION,
            )
        return {"taken": len(parameters)}

    def _metadata_path(self, request: Request) -> object:
        return {"metadata_path": self.paths.of(self._machine(request).instance_id)}

    def _power_off(self, request: Request) -> object:
        machine = self._machine(request)
        if machine.state is not State.RUNNING:
            raise AwsError("IncorrectInstanceState", f"{machine.instance_id} is {machine.state}", 409)
        self.lifecycle.power_off(machine)
        return {"state": str(machine.state)}

    def _machine(self, request: Request) -> Machine:
        [machine] = self.machines.require([str(json.loads(request.get_data())["instance_id"])])
        return machine

    def _check_signature(self, request: Request) -> object:
        """Who signed the request in the body, for ministack, which answers it; a refusal in the caller's protocol where
        the signature is wrong or the call one too many.
        """
        given = json.loads(request.get_data())
        target, body = str(given["target"]), base64.b64decode(given["body"])
        inner = Request.from_values(target, method=given["method"], headers=given["headers"], data=body)
        inner.environ["RAW_URI"] = target  # as it was signed: werkzeug's has other escapes
        call = read_call(inner)
        try:
            principal = self.identities.identify(call).principal
            self.throttle.check(call)
            return {"principal": principal}
        except AwsError as error:
            return refuse(call, error)


def _json(body: object) -> Response:
    return Response(json.dumps(body), mimetype="application/json")
