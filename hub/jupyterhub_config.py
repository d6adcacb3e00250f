"""What `jupyterhub --config` reads. All settings come from the environment: see `hub.settings`."""

import logging
import sys
from typing import Any

from hub import garbage, hashing
from hub.configuration import configuration
from hub.errors import SettingsError
from hub.parameters import read_secrets
from hub.parts import build
from hub.settings import read


def configure(config: Any) -> None:
    """Fills JupyterHub's configuration. Ends the hub with one line if it cannot be configured."""
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
    garbage.settle()
    hashing.settle()


configure(get_config())  # type: ignore[name-defined]  # noqa: F821 -- traitlets gives it
