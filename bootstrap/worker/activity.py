"""Jupyter Server extension that reports this machine's activity to CloudWatch.

Loaded with ``--ServerApp.jpserver_extensions=bootstrap.worker.activity=True``. It also answers the hub, which asks
before it releases a server: ``GET <base url>cloudjhub/activity``.
"""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.log import log_request
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
from tornado import web
from traitlets.config import Config

from lifecycle_app.contract import Signal, utc_now

from .facts import AppUse, HomeSpace, Interaction, Observation, read_tree
from .fullness import FULLNESS, Fullness
from .interactions import (
    SETTING,
    Interactions,
    ObservedSaves,
    ObservedTerminalManager,
)
from .keep import EVERY_ALONE, REQUESTS, Hub, KeepHandler, Requests, StopHandler
from .machine import Watch
from .presence import GestureHandler, StatusHandler
from .proc import Proc
from .prompts import PROMPTS, PromptingConnection, Prompts, kept_messages, process_of
from .reporter import REPORTER, SETTINGS, Publisher, Reporter, cloudwatch, phase
from .settings import ConfigError, HubAccess, ReporterSettings
from .space import home_space
from .terms import TERMS_SETTING, Terms
from .traffic import Traffic
from .waits import read_waits

USE_MESSAGES = ("usage_request", "usage_reply")
"""jupyter-resource-usage's questions to a kernel, and the answers, which ipykernel gives on a thread of its own."""


def untracked_messages() -> list[str]:
    """The kinds of messages that change nothing about whether a kernel is busy: Jupyter Server's, and those of use.

    With the status that follows an answer, Jupyter Server would take a kernel that runs a cell for idle.
    """
    return [*MappingKernelManager.untracked_message_types.default(), *USE_MESSAGES]


class JupyterServer:
    """The server that the reporter runs in, as far as the reporter uses it."""

    def __init__(self, serverapp: Any, interactions: Interactions, prompts: Prompts) -> None:
        self._serverapp = serverapp
        self._interactions = interactions
        self._prompts = prompts

    def busy_kernels(self) -> frozenset[str]:
        """Descriptions of the kernels that run something, and do not wait for a person meanwhile."""
        kernels = self._serverapp.kernel_manager
        busy = {
            kernel["id"]: kernel["name"]
            for kernel in kernels.list_kernels()
            if kernel["execution_state"] == "busy"
        }
        for kernel_id in busy:
            self._prompts.note_kept(kernel_id, kept_messages(kernels, kernel_id))
        working = busy.keys() - self._prompts.waiting(busy)
        return frozenset(f"kernel {busy[kernel_id]} ({kernel_id[:8]})" for kernel_id in working)

    def terminals(self) -> Mapping[str, int]:
        """The pid of each terminal's shell."""
        manager = self._serverapp.web_app.settings.get("terminal_manager")
        terminals = manager.terminals if manager else {}
        return {name: terminal.ptyproc.pid for name, terminal in terminals.items()}

    def last_interaction(self, ignored: Collection[Signal] = ()) -> Interaction | None:
        """The newest thing that the user did."""
        return self._interactions.newest(ignored)

    def last_app(self) -> AppUse | None:
        """The newest traffic of a web app."""
        return self._interactions.apps.last

    def home(self) -> HomeSpace | None:
        """The space of the user's home."""
        return home_space(Path.home())


class ActivityHandler(APIHandler):  # type: ignore[misc]  # publishes no types
    """The hub's request: what is the activity right now?"""

    auth_resource = "cloudjhub"

    def update_api_activity(self) -> None:
        """The hub's request is not activity of the user."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]  # publishes no types
    async def get(self) -> None:
        """The activity now, as JSON."""
        reporter: Reporter | None = self.settings.get(REPORTER)
        settings: ReporterSettings | None = self.settings.get(SETTINGS)
        if reporter is None or settings is None:
            raise web.HTTPError(503, "The activity reporter has not started")
        self.finish(json.dumps(response(await reporter.observe_now(), settings.instance_id)))


def response(observation: Observation, instance_id: str) -> dict[str, Any]:
    """An observation as the hub gets it; times in seconds since the epoch."""
    interaction, work = observation.last_interaction, observation.last_work
    return {
        "instance_id": instance_id,
        "observed_at": observation.at.timestamp(),
        "last_interaction": interaction.timestamp() if interaction else None,
        "last_work": work.timestamp() if work else None,
        "last_app": observation.last_app.timestamp() if observation.last_app else None,
        "app": observation.app,
        "busy_kernels": observation.busy_kernels,
        "busy_terminals": observation.busy_terminals,
        "cpu_percent": observation.cpu_percent,
        "level": int(observation.level),
        "details": list(observation.details),
    }


class ActivityReporter(ExtensionApp):  # type: ignore[misc]  # publishes no types
    """Connects interactions, reporter and endpoint with the server."""

    name = "cloudjhub_activity"
    load_other_extensions = True

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._tasks: list[asyncio.Task[None]] = []

    def _link_jupyter_server_extension(self, serverapp: Any) -> None:
        """Called before kernels and terminals are set up: replace their classes by observed ones."""
        super()._link_jupyter_server_extension(serverapp)
        serverapp.update_config(
            Config(
                {
                    "ServerApp": {"kernel_websocket_connection_class": PromptingConnection},
                    "MappingKernelManager": {"untracked_message_types": untracked_messages()},
                    "TerminalsExtensionApp": {"terminal_manager_class": ObservedTerminalManager},
                }
            )
        )

    def initialize_handlers(self) -> None:
        self.handlers += [
            (r"/cloudjhub/activity", ActivityHandler),
            (r"/cloudjhub/gesture", GestureHandler),
            (r"/cloudjhub/keep", KeepHandler),
            (r"/cloudjhub/status", StatusHandler),
            (r"/cloudjhub/stop", StopHandler),
        ]

    def initialize_settings(self) -> None:
        interactions = Interactions(utc_now)
        self.settings[SETTING] = interactions
        self.settings[TERMS_SETTING] = Terms()
        self.settings[FULLNESS] = Fullness(Path.home())
        self.settings[PROMPTS] = Prompts(process_of(self.serverapp.kernel_manager))
        saves = ObservedSaves(interactions)
        self.serverapp.contents_manager.register_pre_save_hook(saves.before_save)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Called when all extensions are loaded and the event loop runs."""
        share_log(serverapp.log)
        settings = serverapp.web_app.settings
        interactions = settings[SETTING]
        traffic = Traffic(interactions, serverapp.base_url)
        settings["log_function"] = traffic.logged(settings.get("log_function", log_request))
        traffic.watch(serverapp.web_app)
        self._ask_hub(settings)
        try:
            reporting = ReporterSettings.from_environment()
        except ConfigError as error:
            self.log.error("Activity is not reported: %s", error)
            return
        server = JupyterServer(serverapp, interactions, settings[PROMPTS])
        reporter = build_reporter(
            server, reporting, lambda: settings[TERMS_SETTING].ignored_signals, serverapp.port
        )
        await reporter.start()
        settings.update({REPORTER: reporter, SETTINGS: reporting})
        self._tasks.append(asyncio.create_task(reporter.run()))
        if REQUESTS in settings:
            first = phase(reporting.instance_id) * EVERY_ALONE
            self._tasks.append(asyncio.create_task(settings[REQUESTS].follow(first)))
        self.log.info(
            "Worker %s reports its activity every %s", reporting.instance_id, reporting.report_period
        )

    def _ask_hub(self, settings: dict[str, Any]) -> None:
        try:
            settings[REQUESTS] = Requests(Hub(HubAccess.from_environment()), settings)
        except ConfigError as error:
            self.log.info("The hub is not asked: %s", error)

    async def stop_extension(self) -> None:
        for task in self._tasks:
            task.cancel()


def share_log(server_log: logging.Logger) -> None:
    """Write this package's log lines to the server's log, which does not use the root logger."""
    package_log = logging.getLogger(__package__)
    package_log.handlers = list(server_log.handlers)
    package_log.setLevel(logging.INFO)
    package_log.propagate = False


def build_reporter(
    server: JupyterServer, reporting: ReporterSettings, ignored: Callable[[], frozenset[Signal]], port: int
) -> Reporter:
    """The reporter of this process. It observes everything below the boot client, if that started this process; and the
    whole machine, if the machine's init started the boot client: in the local cloud several machines share one kernel.
    """
    started_by_boot = reporting.boot_pid is not None and reporting.boot_pid == os.getppid()
    publisher = Publisher(
        cloudwatch,
        cluster=reporting.cluster,
        instance_id=reporting.instance_id,
        report_period=reporting.report_period,
    )
    return Reporter(
        server,
        publisher,
        read_tree=read_tree,
        read_waits=read_waits,
        ignored=ignored,
        watch=Watch(port) if started_by_boot and Proc().stat(os.getppid()).parent == 1 else None,
        clock=utc_now,
        root=os.getppid() if started_by_boot else os.getpid(),
        pid=os.getpid(),
        instance_id=reporting.instance_id,
        report_period=reporting.report_period,
    )


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "bootstrap.worker.activity", "app": ActivityReporter}]
