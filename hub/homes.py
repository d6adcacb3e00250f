"""Home disks on their way to new machines. A worker is not served without its home."""

import asyncio
import logging

from hub.instances import Instances
from hub.planning import Known, lacks_home
from lifecycle_app.worker import Worker

log = logging.getLogger(__name__)


class Homes:
    """Attaches home disks. What is not attached yet, or could not be, is kept by instance."""

    def __init__(self, instances: Instances) -> None:
        self._instances = instances
        self._attaching: dict[str, asyncio.Task[None]] = {}

    def see_to(self, worker: Worker | None, known: Known) -> None:
        """Begins to attach the worker's home disk, if this instance of it lacks it; after a failure, tries again."""
        if worker and worker.home_volume and lacks_home(worker, known):
            self.attach(worker.key, worker.home_volume, known.instance_id)
        elif not self._is_under_way(known.instance_id):
            self._attaching.pop(known.instance_id, None)

    def attach(self, key: str, volume: str, instance_id: str) -> None:
        """Begins to attach a home disk, if that is not under way already."""
        if self._is_under_way(instance_id):
            return
        log.info("%s: attaching home disk %s to %s", key, volume, instance_id)
        task = asyncio.ensure_future(self._instances.attach_home(volume, instance_id))
        self._attaching[instance_id] = task

        def done(task: "asyncio.Task[None]") -> None:
            """A failed one stays until the next login."""
            if not task.cancelled() and task.exception() is None and self._attaching.get(instance_id) is task:
                del self._attaching[instance_id]

        task.add_done_callback(done)

    def is_missing(self, instance_id: str) -> bool:
        """Is the home disk still on its way to this instance, or could it not be attached?"""
        return instance_id in self._attaching

    async def wait_for(self, instance_id: str) -> None:
        """Waits until the home disk, if there is one, is attached. Raises StartError."""
        task = self._attaching.get(instance_id)
        if task:
            await asyncio.shield(task)

    def _is_under_way(self, instance_id: str) -> bool:
        task = self._attaching.get(instance_id)
        return task is not None and not task.done()
