"""What `jupyterhub --config` reads. All settings come from one file: see `hub.config.settings`."""

import logging
import sys
from typing import Any

from hub.audit import hooks, record
from hub.config import tuning
from hub.config.settings import audit_socket, read
from hub.configuration import configuration
from hub.errors import SettingsError
from hub.login import isolation
from hub.wiring import build, read_secrets


def configure(config: Any) -> None:
    """Fills JupyterHub's configuration. Ends the hub with a line for each reason if it cannot be configured."""
    try:
        settings = read()
        secrets = read_secrets(settings)
        values = configuration(settings, secrets, build(settings, secrets.worker_token_key))
    except SettingsError as error:
        sys.exit(f"cloudJHub's hub cannot start: {error}")
    for package in ("hub", "lifecycle_app"):  # into JupyterHub's log
        logging.getLogger(package).parent = logging.getLogger("JupyterHub")
        logging.getLogger(package).setLevel(logging.INFO)
    for name, traits in values.items():
        config[name].update(traits)
    if settings.extra_config:
        load_subconfig(str(settings.extra_config))  # type: ignore[name-defined]  # noqa: F821 -- traitlets gives it
    record.send_to(audit_socket())
    hooks.follow_requests()
    hooks.follow_database()
    tuning.limit_requests()
    isolation.refuse_foreign_pages(settings)
    tuning.freeze_garbage()
    tuning.hash_long_secrets_once()


configure(get_config())  # type: ignore[name-defined]  # noqa: F821 -- traitlets gives it
