"""Step: the lifecycle app: functions by Chalice; retries, dead-letter queue, alarms and dashboard by calls."""

from collections.abc import Iterator, Sequence

from bootstrap.aws import names, secrets
from bootstrap.aws.site import Site
from bootstrap.aws.tags import tags_of_cluster
from bootstrap.aws.waiting import Report
from bootstrap.cluster import chalice, functions, home_marks, tagging
from bootstrap.cluster.monitoring import cloudwatch, dead_letters, log_keys, notices
from bootstrap.cluster.monitoring.dead_letters import function_arn
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import NotBuilt
from bootstrap.machines.address import public_url
from bootstrap.machines.tls import certificate_to_pin
from hub.config.origins import program_url
from lifecycle_app.contract import NEVER

MANY = 3


class Lifecycle:
    """Step: the functions that record activity and stop idle workers."""

    name = "lifecycle"

    def changes(self, site: Site) -> list[Change]:
        found = functions.existing(site.aws, site.cluster)
        if not set(names.functions(site.cluster)) <= set(found):
            return [Change(Kind.CREATE, "lifecycle app", f"{len(names.HANDLERS)} functions on rules")]
        changes = []
        if self._outdated(site, found):
            changes.append(Change(Kind.CHANGE, "lifecycle app", "its functions are deployed anew"))
        other = list(_differences(site))
        if other:
            changes.append(Change(Kind.CHANGE, "alarms and retries", _short(other)))
        return changes

    def apply(self, site: Site, report: Report) -> None:
        files = _files(site)
        content = chalice.content_hash(files)
        found = functions.existing(site.aws, site.cluster)
        wanted = names.functions(site.cluster)
        if not _is_complete(found, wanted, content):
            _deploy(site, report, files)
            for name in wanted:
                functions.remove_chalices_role(site.aws, name)
            for name in sorted(set(found) - set(wanted)):
                report(f"removing {name}, which this release has no more")
                functions.remove(site.aws, name)
        report("setting retries, alarms and the dashboard")
        dead_letters.apply(site)
        request = notices.apply(site)
        cloudwatch.apply(site)
        log_keys.apply(site)
        tagging.ensure(site)
        home_marks.ensure(site)
        functions.mark(site.aws, [function_arn(site.scope, name) for name in names.HANDLERS], content)
        if request:
            report(request)

    def removals(self, site: Site) -> list[Change]:
        left = [*cloudwatch.parts(site), *functions.parts(site.aws, site.cluster)]
        if notices.is_there(site):
            left.append(f"topic {names.alerts(site.cluster)}")
        if dead_letters.find(site) is not None:
            left.append(f"queue {names.dead_letter_queue(site.cluster)}")
        return [Change(Kind.REMOVE, part) for part in left]

    def remove(self, site: Site, report: Report) -> None:
        """First the alarms, which the removal of the functions would set off."""
        report("removing alarms and dashboard")
        cloudwatch.remove(site)
        notices.remove(site)
        for name in _all_names(site):
            report(f"removing {name}")
            functions.remove(site.aws, name)
        dead_letters.remove(site)

    def _outdated(self, site: Site, found: dict[str, functions.Function]) -> bool:
        try:
            content = chalice.content_hash(_files(site))
        except NotBuilt:  # what comes before is to be built again, and then this is too
            return True
        return not _is_complete(found, names.functions(site.cluster), content)


HISTORY_DAYS = 90
"""The least that the machines' history is kept."""


def history_days(settings: ClusterSettings) -> int:
    """For how many days the machines' history is kept: it says why they were stopped, a part of the audit log."""
    return max(HISTORY_DAYS, settings.manager.audit_days)


def variables(settings: ClusterSettings, url: str, certificate: str) -> dict[str, str]:
    """The functions' environment: the hub at `url`, and the certificate that it must show, "" for any trusted one."""
    timing, root_kept = settings.timing, settings.workers.root_lasts
    found = {
        "CLOUDJHUB_CLUSTER": settings.cluster,
        "CLOUDJHUB_HUB_API": f"{program_url(url)}/hub/api",
        "CLOUDJHUB_HISTORY_DAYS": str(history_days(settings)),
        "CLOUDJHUB_HUB_TOKEN_PARAMETER": secrets.parameter(settings.cluster, "lifecycle-token"),
        "CLOUDJHUB_REPORT_PERIOD": str(int(timing.report_period.total_seconds())),
        "CLOUDJHUB_RECORD_SCHEDULE": timing.record_schedule,
        "CLOUDJHUB_SWEEP_SCHEDULE": timing.sweep_schedule,
        "CLOUDJHUB_RECONCILE_SCHEDULE": timing.reconcile_schedule,
        "CLOUDJHUB_REMOVAL_SCHEDULE": timing.removal_schedule,
        "CLOUDJHUB_ROOT_KEPT": NEVER if root_kept is None else str(int(root_kept.total_seconds())),
        "CLOUDJHUB_BACKUP_DAYS": str(settings.workers.backups_kept),
        "CLOUDJHUB_HOME_LIMIT": str(settings.workers.home_limit if settings.workers.home_disk else 0),
    }
    return found | ({"CLOUDJHUB_HUB_CERTIFICATE": certificate} if certificate else {})


def _files(site: Site) -> dict[str, bytes]:
    """Raises NotBuilt while address or certificate of the manager are not there."""
    place = site.place()
    url = public_url(site.settings, place)
    wanted = variables(site.settings, url, certificate_to_pin(site))
    is_private = site.settings.network.private
    where = chalice.InVpc(site.network().worker_subnets, place["FunctionGroup"]) if is_private else None
    return chalice.project_files(site.scope, wanted, tags_of_cluster(site.settings), where)


def _is_complete(found: dict[str, functions.Function], wanted: Sequence[str], content: str) -> bool:
    """Are exactly the wanted functions there, each completed from this content?"""
    return set(found) == set(wanted) and {one.content for one in found.values()} == {content}


def _deploy(site: Site, report: Report, files: dict[str, bytes]) -> None:
    report("deploying the functions with chalice")
    project = site.directory / "lifecycle"
    # Not part of `files`, whose hash decides whether to deploy: it may differ between operators.
    chalice.write_files(project, {**files, **chalice.files(chalice.project_folder() / "app.py")})
    chalice.deploy(
        project, site.cluster, {"AWS_DEFAULT_REGION": site.aws.region}, site.directory / "deploy.log"
    )


def _differences(site: Site) -> Iterator[str]:
    yield from dead_letters.differences(site)
    if not notices.is_as_wanted(site):
        yield "the topic of the alarms"
    yield from cloudwatch.differences(site)
    yield from log_keys.differences(site)


def _short(parts: Sequence[str]) -> str:
    more = f" and {len(parts) - MANY} more" if len(parts) > MANY else ""
    return ", ".join(parts[:MANY]) + more


def _all_names(site: Site) -> list[str]:
    """Of this release, and of earlier ones that are still there."""
    here = set(functions.existing(site.aws, site.cluster))
    return sorted(here | set(names.functions(site.cluster)))
