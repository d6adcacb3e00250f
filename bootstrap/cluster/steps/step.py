"""What every step of building a cluster is, and what would change in a stack.

Whether an update replaces a resource, CloudFormation says in a change set, where the operator may create one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from bootstrap.aws import names, stacks
from bootstrap.aws.site import Site
from bootstrap.aws.stacks import Next
from bootstrap.aws.tags import tags_of_cluster
from bootstrap.aws.waiting import Report
from bootstrap.cluster.templates.parts import Template, tagged
from bootstrap.errors import Held, NotBuilt, Refused, StepFailed

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ResourceChangeTypeDef

UNKNOWN = "; may be replaced: your AWS user may not create the change set that would say"

Resources = Mapping[str, Mapping[str, Any]]


class Kind(StrEnum):
    """What happens to a part."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that `up` or `down` does; `detail` says what it is and how it affects users."""

    kind: Kind
    what: str
    detail: str = ""


class Step(Protocol):
    """A part of a cluster. Idempotent: whatever an interruption left, `apply` completes it without a duplicate."""

    name: str

    def changes(self, site: Site) -> list[Change]:
        """What `apply` would do. Reads only; works before the steps ahead of it are built."""
        ...

    def apply(self, site: Site, report: Report) -> None:
        """Bring it to what the settings say."""
        ...

    def removals(self, site: Site) -> list[Change]:
        """What `remove` would do. Reads only."""
        ...

    def remove(self, site: Site, report: Report) -> None:
        """Remove it, if it is there, as far as it is this cluster's own."""
        ...


class StackStep:
    """A step that is one CloudFormation stack; a subclass says which template the settings ask for."""

    name: str
    created: str
    """What a plan says of the stack while its template cannot be worked out yet."""
    removed: str
    """What a plan says of its removal."""
    is_protected = False

    def template(self, site: Site) -> Template:
        """The template by the settings. Raises NotBuilt before what it refers to is built."""
        raise NotImplementedError

    def stack(self, site: Site) -> str:
        """The stack's name."""
        return names.stack(site.cluster, self.name)

    def tags(self, site: Site) -> dict[str, str]:
        """The tags of the stack and of what it holds."""
        return tags_of_cluster(site.settings)

    def changes(self, site: Site) -> list[Change]:
        """See `Step`."""
        try:
            template = self._tagged(site)
        except NotBuilt:
            return [Change(Kind.CREATE, f"stack {self.stack(site)}", self.created)]
        client = site.aws.client("cloudformation")
        return stack_changes(client, self.stack(site), template, self.tags(site))

    def apply(self, site: Site, report: Report) -> None:
        """See `Step`."""
        stacks.apply(
            site.aws.client("cloudformation"),
            self.stack(site),
            self._tagged(site),
            tags=self.tags(site),
            is_protected=self.is_protected,
            report=report,
        )

    def removals(self, site: Site) -> list[Change]:
        """See `Step`."""
        found = stacks.current(site.aws.client("cloudformation"), self.stack(site))
        return [Change(Kind.REMOVE, f"stack {self.stack(site)}", self.removed)] if found else []

    def remove(self, site: Site, report: Report) -> None:
        """See `Step`. Raises Held where something foreign keeps the stack from being removed."""
        try:
            stacks.remove(site.aws.client("cloudformation"), self.stack(site), report)
        except StepFailed as error:
            if found := self.holders(site):
                raise Held(
                    f"the stack {self.stack(site)} is held by {', '.join(found)}, which cloudJHub has not made: delete "
                    f"that, or have its owner delete it, then run `cloudjhub down` again. CloudFormation says: {error}"
                ) from error
            raise

    def holders(self, site: Site) -> list[str]:  # noqa: ARG002 -- a subclass's
        """What is not ours and keeps the stack from being removed."""
        return []

    def _tagged(self, site: Site) -> Template:
        made = tagged(self.template(site), self.tags(site))
        if (over := len(stacks.body(made)) - stacks.LONGEST_BODY) > 0:
            raise Refused(
                f"the template of {self.stack(site)} is {over} characters too long for CloudFormation: use fewer or "
                "shorter `tags`"
            )
        return made


def stack_changes(
    client: "CloudFormationClient", name: str, template: dict[str, Any], tags: Mapping[str, str]
) -> list[Change]:
    """What `stacks.apply` would do: one change for a stack that is to be created, else one for each resource."""
    stack = stacks.current(client, name)
    follows = stacks.next_of(stack["StackStatus"] if stack else None)
    if stack is None or follows is Next.CREATE:
        return [Change(Kind.CREATE, f"stack {name}", _contents(template["Resources"]))]
    status = stack["StackStatus"]
    if follows is Next.DISCARD:
        return [Change(Kind.CREATE, f"stack {name}", f"again, for it is {status}")]
    if follows is not Next.UPDATE:
        return [Change(Kind.CHANGE, f"stack {name}", f"is {status}: continues from there")]
    if not stacks.differs(client, stack, template, tags):
        return []
    previewed = stacks.preview(client, name, template, tags)
    if previewed is None:
        has = stacks.template_of(client, name)
        found = compared(has["Resources"], template["Resources"])
    else:
        found = changes_in(previewed)
    return found or [Change(Kind.CHANGE, f"stack {name}", "its own description, outputs or tags")]


def changes_in(previewed: "Sequence[ResourceChangeTypeDef]") -> list[Change]:
    """A change set's changes, in the order of the resources' names."""
    return [_change(one) for one in sorted(previewed, key=lambda one: one["LogicalResourceId"])]


def _change(one: "ResourceChangeTypeDef") -> Change:
    name, resource_type = one["LogicalResourceId"], one["ResourceType"]
    if one["Action"] in ("Add", "Remove"):
        return Change(Kind.CREATE if one["Action"] == "Add" else Kind.REMOVE, name, resource_type)
    targets = [detail["Target"] for detail in one.get("Details", []) if "Target" in detail]
    properties = sorted({target["Name"] for target in targets if "Name" in target})
    what = f"{resource_type}: {_listed(properties)}"
    if one.get("Replacement") == "Conditional":
        return Change(Kind.CHANGE, name, f"{what}; may be replaced")
    return Change(Kind.REPLACE if one.get("Replacement") == "True" else Kind.CHANGE, name, what)


def compared(before: Resources, after: Resources) -> list[Change]:
    """The differences of two templates, in the order of the resources' names."""
    changes = []
    for name in sorted({*before, *after}):
        has, wants = before.get(name), after.get(name)
        if has is None and wants is not None:
            changes.append(Change(Kind.CREATE, name, wants["Type"]))
        elif wants is None and has is not None:
            changes.append(Change(Kind.REMOVE, name, has["Type"]))
        elif has and wants and has != wants:
            old, new = has.get("Properties", {}), wants.get("Properties", {})
            properties = sorted(one for one in {*old, *new} if old.get(one) != new.get(one))
            detail = f"{wants['Type']}: {_listed(properties)}"
            changes.append(Change(Kind.CHANGE, name, detail + (UNKNOWN if properties else "")))
    return changes


def _listed(properties: Sequence[str]) -> str:
    return ", ".join(properties) or "its policies or order"


def _contents(resources: Resources) -> str:
    kinds = Counter(str(one["Type"]).rpartition("::")[2] for one in resources.values())
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
