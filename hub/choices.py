"""A user's choice of a machine, as JupyterHub asks for it and takes it."""

from typing import Any

from hub.options import form, instance_type_in
from hub.spawner import StartFailed, WorkerSpawner
from lifecycle_app.worker import State


def apply_options(spawner: WorkerSpawner, options: dict[str, Any]) -> None:
    """Takes over the user's choice. A wrong one is forgotten, or each later start would fail by it too."""
    try:
        spawner.instance_type = instance_type_in(options, spawner.parts.settings.types)
    except ValueError as error:
        spawner.orm_spawner.user_options = {}
        raise StartFailed(str(error), reason="options", status_code=400) from error


async def options_form(spawner: WorkerSpawner) -> str:
    """The form for a user who has no machine yet; nobody else can choose."""
    await spawner.parts.reader.loaded()
    worker = spawner.parts.reader.get(spawner.key)
    if worker and worker.state is not State.TERMINATED:
        return ""
    allowed = spawner.parts.settings.types
    chosen = (spawner.orm_spawner.user_options or {}).get("instance_type", allowed[0])
    return form(allowed, chosen)
