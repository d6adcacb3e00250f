"""The control API at /_cloud/: what the cloud's own tools see and switch. Not part of AWS.

Everybody on this machine may look; only who knows the operator's secret may change anything, or learn where an
instance's credentials are: `Authorization: Bearer <secret>`.
"""

import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from bootstrap.local.cloud.cloudwatch.metrics import STANDARD_RESOLUTION, Metric, Record, Sample
from bootstrap.local.cloud.ec2.images import Images
from bootstrap.local.cloud.ec2.instances import Machine, Machines
from bootstrap.local.cloud.ec2.lifecycle import Lifecycle
from bootstrap.local.cloud.ec2.rules import State
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError, Request, Response, as_json, text
from bootstrap.local.cloud.faults import Faults, UnknownFaultError
from bootstrap.local.cloud.gateway.call_log import CallLog
from bootstrap.local.cloud.gateway.metadata import MetadataPaths
from bootstrap.local.cloud.hypervisor.host import Room

CONTROL_PREFIX = "/_cloud/"


class Control:
    """Answers control requests. Takes the emulator's lock itself."""

    def __init__(
        self,
        emulator: Emulator,
        machines: Machines,
        lifecycle: Lifecycle,
        room: Room,
        images: Images,
        paths: MetadataPaths,
        faults: Faults,
        calls: CallLog,
        record: Record,
        operator_secret: str,
    ) -> None:
        self._emulator = emulator
        self._machines = machines
        self._lifecycle = lifecycle
        self._room = room
        self._images = images
        self._paths = paths
        self._faults = faults
        self._calls = calls
        self._record = record
        self._authorization = f"Bearer {operator_secret}".encode()

    def answer(self, request: Request) -> Response:
        name = request.path.removeprefix(CONTROL_PREFIX)
        served: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "health"): self._health,
            ("GET", "state"): self._state,
            ("GET", "calls"): self._list_calls,
            ("GET", "asked"): self._list_asked,
            ("POST", "faults"): self._switch_fault,
            ("POST", "images"): self._register_image,
            ("POST", "metrics"): self._take_metrics,
            ("POST", "metadata"): self._tell_metadata_path,
            ("POST", "poweroff"): self._power_off,
        }
        serve = served.get((request.method, name))
        if serve is None:
            known = ", ".join(f"{method} {CONTROL_PREFIX}{name}" for method, name in served)
            return text(404, f"there is no {request.method} {request.path}; there are: {known}")
        if request.method != "GET" and not self._is_operator(request):
            return text(403, "only the operator may do this: send Authorization: Bearer <operator's secret>")
        try:
            return serve(request)
        except (ValueError, KeyError, TypeError) as error:
            return text(400, f"cannot read the request: {error!r}")
        except UnknownFaultError as error:
            return text(400, str(error))
        except AwsError as error:
            return text(error.status, str(error))

    def _is_operator(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, self._authorization)

    def _health(self, _request: Request) -> Response:
        return as_json({"status": "ok"})

    def _state(self, _request: Request) -> Response:
        with self._emulator.lock:
            instances = [self._describe(machine) for machine in self._machines]
        return as_json(
            {
                "instances": instances,
                "faults": self._faults.names_on(),
                "calls": self._calls.counts(),
            }
        )

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
            "pid": self._room.pid(machine.instance_id),
            "dead": machine.is_dead,
        }

    def _list_calls(self, request: Request) -> Response:
        since = parse_qs(request.query).get("since", ["0"])[0]
        return as_json({"calls": self._calls.since(int(since))})

    def _list_asked(self, _: Request) -> Response:
        return as_json({"asked": self._calls.questions()})

    def _switch_fault(self, request: Request) -> Response:
        asked = json.loads(request.body)
        delay = timedelta(seconds=float(asked["seconds"])) if "seconds" in asked else None
        types = tuple(asked.get("instance_types", []))
        self._faults.switch(str(asked["name"]), on=bool(asked["on"]), delay=delay, instance_types=types)
        return as_json({"faults": self._faults.names_on()})

    def _register_image(self, request: Request) -> Response:
        asked = json.loads(request.body)
        command = asked.get("command")
        with self._emulator.lock:
            self._images.register(str(asked["image_id"]), tuple(map(str, command)) if command else None)
        return as_json({"image_id": asked["image_id"]})

    def _take_metrics(self, request: Request) -> Response:
        """What AWS's own services measure: PutMetricData has no namespace AWS/ for anybody."""
        asked = json.loads(request.body)
        with self._emulator.lock:
            for one in asked:
                dimensions = tuple(sorted((str(name), str(value)) for name, value in one["dimensions"]))
                value = float(one["value"])
                self._record(
                    Metric(str(one["namespace"]), str(one["name"]), dimensions),
                    Sample(float(one["at"]), value, value, value, 1.0, str(one["unit"])),
                    STANDARD_RESOLUTION,
                )
        return as_json({"taken": len(asked)})

    def _tell_metadata_path(self, request: Request) -> Response:
        with self._emulator.lock:
            [machine] = self._machines.require([str(json.loads(request.body)["instance_id"])])
        return as_json({"metadata_path": self._paths.of(machine.instance_id)})

    def _power_off(self, request: Request) -> Response:
        with self._emulator.lock:
            [machine] = self._machines.require([str(json.loads(request.body)["instance_id"])])
            if machine.state is not State.RUNNING:
                raise AwsError("IncorrectInstanceState", f"{machine.instance_id} is {machine.state}", 409)
            self._lifecycle.power_off(machine)
        return as_json({"state": str(machine.state)})
