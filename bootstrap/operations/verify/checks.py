"""The checks, by the id of the assumption that each observes. All only read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws.errors import meaning
from bootstrap.errors import BootstrapError
from bootstrap.operations.verify import judging, reading
from bootstrap.operations.verify.scene import Scene
from bootstrap.operations.verify.verdict import Judged, Observation, confirmed, not_observed, refuted
from lifecycle_app.errors import LifecycleError

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")


@dataclass(frozen=True, slots=True)
class Check:
    """What is read, and what it says. `only_aws`: an emulator's answer says nothing, and is not asked for."""

    read: Callable[[Scene], Any]
    judge: Callable[[Any], Judged]
    only_aws: bool = False


def _without_differences(evidence: Mapping[str, Any]) -> Judged:
    found = ", ".join(evidence)
    return (
        refuted(f"differs: {found}") if found else confirmed("queue, tries and destinations are as asked for")
    )


CHECKS: Mapping[str, Check] = {
    "up-again-changes-nothing": Check(reading.changes, judging.changes),
    "idle-alarm-kept": Check(
        reading.idle_alarms,
        partial(judging.as_asked, none=judging.NO_ALARM),
    ),
    "rules-kept": Check(reading.rules, judging.rules),
    "functions-kept": Check(reading.functions, partial(judging.as_asked, none="there is no function")),
    "async-kept": Check(reading.async_settings, _without_differences),
    "disks-kept": Check(reading.disks, judging.disks),
    "log-retention-kept": Check(reading.retention, judging.retention),
    "secrets-kept": Check(reading.secret_types, judging.secret_types),
    "alarm-without-actions-emits": Check(reading.stops, judging.stops_by_alarm),
    "one-datapoint-a-period": Check(reading.sample_counts, judging.sample_counts, only_aws=True),
    "idle-cpu": Check(reading.idle_cpu, judging.idle_cpu, only_aws=True),
    "describe-many": Check(reading.unknown_instance, judging.unknown_instance),
    "imds-host": Check(reading.metadata_options, judging.metadata_options, only_aws=True),
    "tags-are-there": Check(reading.tags, judging.tags),
    "log-group-first": Check(reading.log_groups_first, judging.log_groups_first),
    "public-parameters": Check(
        reading.public_parameters, partial(judging.all_there, what="in this region"), only_aws=True
    ),
    "image-encrypted": Check(reading.image_encryption, judging.image_encrypted),
    "manager-sets-up": Check(reading.hub, judging.hub_runs, only_aws=True),
    "state-disk-serial": Check(reading.hub, judging.hub_runs, only_aws=True),
    "journal-arrives": Check(
        reading.journal, partial(judging.some, what="lines in the last hour"), only_aws=True
    ),
    "audit-arrives": Check(reading.audit, partial(judging.some, what="lines in the last day"), only_aws=True),
    "backup-timer": Check(reading.backup_count, partial(judging.some, what="backups"), only_aws=True),
    "backups-expire": Check(reading.backup_ages, judging.backup_ages, only_aws=True),
    "recovery-default": Check(reading.recovery, judging.recovery, only_aws=True),
    "quota-codes": Check(reading.quotas, judging.quotas, only_aws=True),
    "bucket-name": Check(reading.bucket, partial(judging.all_there, what="bucket"), only_aws=True),
    "memory-and-timeout": Check(reading.limits, judging.near_limits, only_aws=True),
    "runs-on-arm64": Check(reading.imports, judging.imports, only_aws=True),
    "lambda-botocore": Check(reading.imports, judging.imports, only_aws=True),
    "function-name-known": Check(reading.stops, judging.functions_named, only_aws=True),
}


def is_aws(endpoint: str) -> bool:
    """Is this AWS, and not an emulator?"""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith(AWS_HOSTS)


def observe(scene: Scene, checks: Mapping[str, Check] = CHECKS) -> Iterator[Observation]:
    """What every check sees. One that cannot read says why, and the others go on."""
    on_aws = is_aws(reading.of_site(scene.site))
    for name, check in checks.items():
        if check.only_aws and not on_aws:
            yield Observation(name, not_observed("only AWS can show this; what was asked is an emulator"))
        else:
            yield _observed(scene, name, check)


def _observed(scene: Scene, name: str, check: Check) -> Observation:
    try:
        evidence = check.read(scene)
    except (ClientError, BotoCoreError, BootstrapError, LifecycleError) as error:
        why = meaning(error, scene.site.aws.region)
        return Observation(name, not_observed(f"could not be read: {why}"))
    return Observation(name, check.judge(evidence), evidence)
