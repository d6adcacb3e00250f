"""An administrator's request to change a policy: answered in the settings, where the hub reads it."""

from __future__ import annotations

import logging
from datetime import datetime

from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.events import SettingsRequest
from lifecycle_app.model.policy_record import answered, is_void
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.records import TRIES

log = logging.getLogger(__name__)


def change_policy(service: Service, event: SettingsRequest, now: datetime) -> str:
    """Records the change with who asked for it, or why it is refused, and returns in a word how that went.

    One write has the policy, the change and the answer. Raises RecordConflict if the scope keeps changing.
    """
    for _ in range(TRIES):
        before = service.settings.policy_record(event.scope)
        if is_void(before, event, now):
            return "void"
        after = answered(before, event)
        try:
            service.settings.put_policy_record(before, after)
        except RecordConflict:
            log.info("policy of %s: it was changed meanwhile, reading it again", event.scope)
            continue
        outcome = after.refusal.partition(" ")[0] or "recorded"
        log.info("policy of %s: %s for %s (%s) %s", event.scope, outcome, event.by, event.id, after.refusal)
        return outcome
    raise RecordConflict(f"policy of {event.scope} keeps changing")
