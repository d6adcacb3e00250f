"""The institution's KMS key on the functions' log groups, which Chalice makes without one."""

from collections.abc import Iterator

from bootstrap.aws import names
from bootstrap.aws.site import Site


def differences(site: Site) -> Iterator[str]:
    """The log groups that are not encrypted with the key, in short."""
    yield from (f"the key of {group}" for group in _without(site))


def apply(site: Site) -> None:
    """Lines that come from now on are encrypted with the key."""
    for group in list(_without(site)):
        site.aws.client("logs").associate_kms_key(logGroupName=group, kmsKeyId=site.settings.kms_key)


def _without(site: Site) -> Iterator[str]:
    if not site.settings.kms_key:
        return
    groups = {names.function_log_group(name) for name in names.functions(site.cluster)}
    pages = (
        site.aws.client("logs")
        .get_paginator("describe_log_groups")
        .paginate(logGroupNamePrefix=names.function_log_group(names.function(site.cluster, "")))
    )
    for page in pages:
        for one in page["logGroups"]:
            if one["logGroupName"] in groups and one.get("kmsKeyId") != site.settings.kms_key:
                yield one["logGroupName"]
