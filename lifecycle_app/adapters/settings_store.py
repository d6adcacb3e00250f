"""What the operator sets, in DynamoDB: idle policies, users, the workers' image, a request to restore a backup. Each is
a text by its scope.
"""

from __future__ import annotations

from collections.abc import Iterable

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from lifecycle_app.adapters.tables import SettingRecord, available, bound
from lifecycle_app.contract import ANNOUNCEMENT_SCOPE, CLUSTER_SCOPE, IMAGE_SCOPE, RESTORE_SCOPE, USERS_SCOPE
from lifecycle_app.errors import BadRecord
from lifecycle_app.model.policy_record import PolicyRecord


class SettingsStore:
    """The settings table of one cluster.

    Every method raises NoTable if there is none, and any other StoreUnavailable if DynamoDB cannot be asked. A value
    that is not text is read as words that are neither JSON nor an image, so that it does not count as absent.
    """

    def __init__(self, cluster: str, region: str | None = None) -> None:
        self._model = bound(SettingRecord, cluster, "settings", region)

    def policies(self, scopes: Iterable[str]) -> dict[str, str]:
        """The JSON of those scopes that have a policy; eventually consistent."""
        with available("policies"):
            return {one.scope: one.policy for one in self._model.batch_get(scopes) if one.policy}

    def all_policies(self) -> dict[str, str]:
        """The JSON of all policies, by scope."""
        with available("policies"):
            return {one.scope: one.policy for one in self._model.scan() if one.policy}

    def policy_record(self, scope: str) -> PolicyRecord:
        """The scope's policy, its changes and its last answer, as last written; empty if there is none."""
        found = self._get(scope)
        return _policy_record(found) if found else PolicyRecord(scope=scope)

    def policy_records(self, scopes: Iterable[str]) -> list[PolicyRecord]:
        """Those of the scopes that there are; eventually consistent."""
        with available("policies"):
            return [_policy_record(one) for one in self._model.batch_get(scopes)]

    def put_policy_record(self, before: PolicyRecord, after: PolicyRecord) -> None:
        """Writes `after`. Raises RecordConflict if policy or changes are not those of `before` any more."""
        model = self._model
        was = [(model.policy, before.policy), (model.changes, before.changes)]
        unchanged = [one == text if text else one.does_not_exist() for one, text in was]
        wanted = [
            (model.policy, after.policy),
            (model.changes, after.changes),
            (model.request, after.request),
            (model.refusal, after.refusal),
        ]
        actions: list[Action] = [one.set(text) if text else one.remove() for one, text in wanted]
        with available(f"policy of {after.scope}"):
            model(after.scope).update(actions, condition=unchanged[0] & unchanged[1])

    def put_first_policy(self, policy: str) -> None:
        """Sets the cluster's policy. Raises RecordConflict if the scope exists, with a policy or without."""
        with available("policy of the cluster"):
            record = self._model(CLUSTER_SCOPE, policy=policy)
            record.save(condition=self._model.scope.does_not_exist())

    def of_hub(self) -> dict[str, str]:
        """The texts of the scopes that the hub follows, of those that exist: `users`, `announcement` and `restore`, all
        JSON, and `image`; eventually consistent.
        """
        with available("users and image"):
            scopes = [USERS_SCOPE, IMAGE_SCOPE, ANNOUNCEMENT_SCOPE, RESTORE_SCOPE]
            found = {one.scope: one for one in self._model.batch_get(scopes)}
            texts = {scope: getattr(record, scope) for scope, record in found.items()}
            return {scope: text for scope, text in texts.items() if text}

    def users(self) -> tuple[str | None, int]:
        """The users' JSON and its version; None and 0 where there is none. Raises BadRecord."""
        found = self._get(USERS_SCOPE)
        if found is None:
            return None, 0
        if found.problem or found.users is None or found.version is None:
            raise BadRecord(USERS_SCOPE, found.problem or "users or version is missing")
        return found.users, int(found.version)

    def put_users(self, text: str, version: int) -> None:
        """Sets the users' JSON. Raises RecordConflict if it was written since `version` was read."""
        model = self._model
        with available("users", USERS_SCOPE):
            record = model(USERS_SCOPE, users=text, version=version + 1)
            record.save(condition=model.version.does_not_exist() | (model.version == version))

    def image(self) -> str | None:
        """The AMI that workers are launched from, as last written; None before there is one."""
        found = self._get(IMAGE_SCOPE)
        return found.image if found else None

    def put_image(self, image: str) -> None:
        """Sets the AMI that workers are launched from; the hub reads it within a minute."""
        with available("image"):
            self._model(IMAGE_SCOPE, image=image).save()

    def announcement(self) -> str | None:
        """The announcement's JSON, as last written; None where there is none."""
        found = self._get(ANNOUNCEMENT_SCOPE)
        return found.announcement if found else None

    def put_announcement(self, text: str | None) -> None:
        """Sets the announcement's JSON; None ends it."""
        with available("announcement"):
            if text is None:
                self._model(ANNOUNCEMENT_SCOPE).delete()
            else:
                self._model(ANNOUNCEMENT_SCOPE, announcement=text).save()

    def put_restore(self, request: str) -> None:
        """Sets the request to restore a backup; the hub reads it within a minute, and when it starts."""
        with available("request to restore"):
            self._model(RESTORE_SCOPE, restore=request).save()

    def end_restore(self) -> None:
        """Takes the request back, if there is one."""
        with available("request to restore"):
            self._model(RESTORE_SCOPE).save()

    def has(self, scope: str) -> bool:
        """Is there a record of this scope, whatever is in it?"""
        return self._get(scope) is not None

    def _get(self, scope: str) -> SettingRecord | None:
        with available(f"scope {scope} of the settings"):
            try:
                return self._model.get(scope, consistent_read=True)
            except DoesNotExist:
                return None


def _policy_record(record: SettingRecord) -> PolicyRecord:
    return PolicyRecord(
        scope=record.scope,
        policy=record.policy or "",
        changes=record.changes or "",
        request=record.request or "",
        refusal=record.refusal or "",
    )
