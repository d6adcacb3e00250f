"""Launches: the hub's own, and each deviation from it."""

from tests.iam.asking import (
    INSTANCE,
    OUR_TAGS,
    OWNERS,
    REGION,
    VOLUME,
    WORKER_PROFILE,
    Asked,
    Request,
    arn,
    elsewhere,
)

LAUNCHED: dict[str, Asked] = {
    "instance": Asked(
        INSTANCE,
        {
            **OUR_TAGS,
            "ec2:MetadataHttpTokens": "required",
            "ec2:MetadataHttpPutResponseHopLimit": "1",
            "ec2:InstanceProfile": WORKER_PROFILE,
        },
    ),
    "volume": Asked(VOLUME, {**OUR_TAGS, "ec2:Encrypted": "true"}),
    "subnet": Asked(arn("ec2", "subnet/subnet-a")),
    "security group": Asked(arn("ec2", "security-group/sg-workers")),
    "network interface": Asked(
        arn("ec2", "network-interface/eni-1"), {"ec2:Subnet": arn("ec2", "subnet/subnet-a")}
    ),
    "image": Asked(f"arn:aws:ec2:{REGION}::image/ami-worker"),
}


def launch(**changed: Asked) -> Request:
    """A launch as the hub asks for it, but for what is changed or added (`_` for a blank)."""
    parts = {**LAUNCHED, **{name.replace("_", " "): asked for name, asked in changed.items()}}
    return Request("ec2:RunInstances", tuple(parts.values()))


def _with(part: str, **context: str | list[str] | None) -> Asked:
    """A part of the launch with some of its context replaced; None takes it away. `__` is `:`, and `___` is `/`."""
    replaced = {name.replace("___", "/").replace("__", ":"): value for name, value in context.items()}
    merged = {**LAUNCHED[part].context, **replaced}
    return Asked(LAUNCHED[part].resource, {key: value for key, value in merged.items() if value is not None})


def launches() -> dict[str, Request]:
    cluster, role = "aws__RequestTag___cloudjhub__cluster", "aws__RequestTag___cloudjhub__role"
    other_profile = WORKER_PROFILE.replace("worker", "manager")
    changed: dict[str, Request] = {
        "launch": launch(),
        "launch, fewer tag keys": launch(instance=_fewer_keys()),
    }
    for part in ("instance", "volume"):
        changed |= {
            f"launch, {part} of another cluster": launch(**{part: _with(part, **{cluster: "other"})}),
            f"launch, {part} without cluster tag": launch(**{part: _with(part, **{cluster: None})}),
            f"launch, {part} as manager": launch(**{part: _with(part, **{role: "manager"})}),
            f"launch, {part} without role tag": launch(**{part: _with(part, **{role: None})}),
            f"launch, {part} untagged": launch(
                **{part: _with(part, **{cluster: None, role: None, "aws__TagKeys": None})}
            ),
        }
    instance: dict[str, dict[str, str | None]] = {
        "IMDSv1": {"ec2__MetadataHttpTokens": "optional"},
        "IMDS unsaid": {"ec2__MetadataHttpTokens": None},
        "hop limit 2": {"ec2__MetadataHttpPutResponseHopLimit": "2"},
        "hop limit unsaid": {"ec2__MetadataHttpPutResponseHopLimit": None},
        "another profile": {"ec2__InstanceProfile": other_profile},
        "no profile": {"ec2__InstanceProfile": None},
    }
    changed |= {
        f"launch, {what}": launch(instance=_with("instance", **how)) for what, how in instance.items()
    }
    return {
        **changed,
        "launch, disk not encrypted": launch(volume=_with("volume", ec2__Encrypted="false")),
        "launch, encryption unsaid": launch(volume=_with("volume", ec2__Encrypted=None)),
        "launch, second subnet": launch(
            subnet=Asked(arn("ec2", "subnet/subnet-b")),
            network_interface=_with("network interface", ec2__Subnet=arn("ec2", "subnet/subnet-b")),
        ),
        "launch, foreign subnet": launch(subnet=Asked(arn("ec2", "subnet/subnet-x"))),
        "launch, foreign network interface": launch(
            network_interface=_with("network interface", ec2__Subnet=arn("ec2", "subnet/subnet-x"))
        ),
        "launch, foreign security group": launch(
            security_group=Asked(arn("ec2", "security-group/sg-manager"))
        ),
        "launch, foreign image": launch(image=Asked(f"arn:aws:ec2:{REGION}::image/ami-evil")),
        "launch, key pair": launch(key_pair=Asked(arn("ec2", "key-pair/mine"))),
        "launch, launch template": launch(template=Asked(arn("ec2", "launch-template/lt-1"))),
        "launch, launch template tagged as a worker": launch(
            template=Asked(arn("ec2", "launch-template/lt-1"), OWNERS["own worker"])
        ),
        "launch, snapshot": launch(snapshot=Asked(f"arn:aws:ec2:{REGION}::snapshot/snap-1")),
        **{
            f"launch, snapshot {owner}": launch(
                snapshot=Asked(f"arn:aws:ec2:{REGION}::snapshot/snap-1", context)
            )
            for owner, context in OWNERS.items()
        },
        "launch, spot": launch(spot=Asked(arn("ec2", "spot-instances-request/sir-1"))),
        **{
            f"launch, {part} in another region": launch(**{part.replace(" ", "_"): elsewhere(LAUNCHED[part])})
            for part in LAUNCHED
        },
    }


def _fewer_keys() -> Asked:
    return _with("instance", aws__TagKeys=["cloudjhub:cluster", "cloudjhub:role"])
