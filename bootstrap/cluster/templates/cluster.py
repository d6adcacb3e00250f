"""A cluster's own: what it keeps (tables, bucket, logs), and its machines' roles. The functions have Chalice's."""

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.cluster.policies import builder_policy, ec2_trust, manager_policy, worker_policy
from bootstrap.cluster.policies.resources import Document
from bootstrap.cluster.templates.parts import (
    Resource,
    Template,
    cluster_tags,
    constant_parts,
    ref,
    resource,
    template,
)


def data_template(cluster: str, bucket: str, audit_days: int) -> Template:
    """The template of what a cluster keeps, `bucket` being its bucket's name. Outputs: Bucket, LogGroup."""
    tables = {name: names.table(cluster, name) for name in names.TABLES}
    groups = {"log_group": names.log_group(cluster), "audit_log_group": names.audit_log_group(cluster)}
    return constant_parts("data", cluster=cluster, bucket=bucket, audit_days=audit_days, **groups, **tables)


def access_template(scope: Scope) -> Template:
    """The template of the three roles."""
    cluster = scope.cluster
    resources = {
        **_role("Manager", names.role(cluster, "manager"), scope, manager_policy(scope)),
        **_role("Worker", scope.worker_role, scope, worker_policy(scope)),
        **_role("Builder", names.role(cluster, "builder"), scope, builder_policy(scope)),
    }
    return template(f"cloudJHub {cluster}: roles", resources, {})


def _role(logical: str, name: str, scope: Scope, policy: Document) -> dict[str, Resource]:
    return {
        f"{logical}Role": resource(
            "IAM::Role",
            RoleName=name,
            AssumeRolePolicyDocument=ec2_trust(scope),
            Policies=[{"PolicyName": name, "PolicyDocument": policy}],
            Tags=cluster_tags(scope.cluster),
        ),
        f"{logical}Profile": resource(
            "IAM::InstanceProfile", InstanceProfileName=name, Roles=[ref(f"{logical}Role")]
        ),
    }
