"""What `jupyterhub --config` reads. All settings come from one file: see `hub.config.settings`."""

import logging
import sys
from typing import Any

from hub import metrics
from hub.audit import hooks, record
from hub.config import own, tuning
from hub.config.settings import BUNDLE, OPERATORS_CONFIG, audit_socket, read
from hub.configuration import configuration
from hub.database import opening
from hub.errors import CANNOT_START, DatabaseUnusable, SettingsError
from hub.login import isolation
from hub.users import bounds
from hub.wiring import build, read_secrets

OPERATORS = BUNDLE / OPERATORS_CONFIG


def configure(config: Any) -> None:
    """Fills JupyterHub's configuration. Ends the hub with a line for each reason if it cannot be configured."""
    try:
        settings = read()
        secrets = read_secrets(settings)
        hub = build(settings, secrets.worker_token_key)
        values = configuration(settings, secrets, hub)
    except SettingsError as error:
        sys.exit(f"{CANNOT_START}: {error}")
    for package in ("hub", "lifecycle_app"):  # into JupyterHub's log
        logging.getLogger(package).parent = logging.getLogger("JupyterHub")
        logging.getLogger(package).setLevel(logging.INFO)
    for name, traits in values.items():
        config[name].update(traits)
    try:
        opening.prepare(settings, hub.operator.restore)
        if settings.extra_config:
            own.load(settings.extra_config, config, "hub.extra_config")
        if OPERATORS.is_file():
            own.load(OPERATORS, config, "hub.config")
    except (DatabaseUnusable, SettingsError) as error:
        sys.exit(f"{CANNOT_START}: {error}")
    tuning.hide_secrets()
    record.send_to(audit_socket())
    metrics.watch(hub.reader.all)
    hooks.follow_requests()
    hooks.follow_database()
    tuning.limit_requests()
    bounds.bound_columns()
    isolation.refuse_foreign_pages(settings)
    tuning.freeze_garbage()
    tuning.hash_long_secrets_once()


configure(get_config())  # type: ignore[name-defined]  # noqa: F821 -- traitlets gives it
