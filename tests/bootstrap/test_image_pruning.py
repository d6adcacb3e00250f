"""Old worker images go with their snapshots; what something holds stays, is named, and hinders nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bootstrap.errors import Held
from bootstrap.machines.image import images

PROTECTED = ("OperationNotPermitted", "ami-1 is protected from deregistration.")


def foreign(snapshot: str) -> dict[str, Any]:
    """Another image of the account, made of our snapshot."""
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}
    return {"ImageId": "ami-foreign", "Name": "grace's", "BlockDeviceMappings": [disk]}


class Ec2:
    """A cluster with three old images and their snapshots, the first the newest; `refuses`: code and message by id."""

    def __init__(
        self, refuses: Mapping[str, tuple[str, str]], foreign: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.refuses, self.foreign = refuses, foreign
        self.images = {f"ami-{n}": self._image(n) for n in range(3)}
        self.snapshots = [f"snap-{n}" for n in range(3)]

    @staticmethod
    def _image(n: int) -> dict[str, Any]:
        return {
            "ImageId": f"ami-{n}", "State": "available", "CreationDate": f"2026-11-{20 - n}T00:00:00Z", "Tags": [],
            "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": f"snap-{n}"}}],
        }  # fmt: skip

    def client(self, _service: str) -> "Ec2":
        return self

    def describe_images(self, **_: Any) -> dict[str, Any]:
        return {"Images": list(self.images.values())}

    def deregister_image(self, ImageId: str, **_: Any) -> None:  # noqa: N803 -- boto3's
        self._refuse(ImageId, "DeregisterImage")
        del self.images[ImageId]

    def delete_snapshot(self, SnapshotId: str) -> None:  # noqa: N803 -- boto3's
        self._refuse(SnapshotId, "DeleteSnapshot")
        self.snapshots.remove(SnapshotId)

    def get_paginator(self, _operation: str) -> "Ec2":
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        """Of snapshots and of all of the account's images."""
        yield {
            "Snapshots": [{"SnapshotId": one} for one in self.snapshots],
            "Images": [*self.images.values(), *self.foreign],
        }

    def _refuse(self, name: str, operation: str) -> None:
        if name in self.refuses:
            code, message = self.refuses[name]
            raise ClientError({"Error": {"Code": code, "Message": message}}, operation)


def quiet(_line: str) -> None:
    """Reports nothing."""


def test_nothing_held_leaves_nothing() -> None:
    aws: Any = Ec2({})
    images.remove_all(aws, "spring", quiet)
    assert (aws.images, aws.snapshots) == ({}, [])


def test_all_else_goes_when_an_image_is_protected() -> None:
    aws: Any = Ec2({"ami-1": PROTECTED})
    with pytest.raises(
        Held, match=r"not removed: the image ami-1 \(ami-1 is protected from deregistration\): free it"
    ):
        images.remove_all(aws, "spring", quiet)
    assert (list(aws.images), aws.snapshots) == (["ami-1"], ["snap-1"])


def test_another_image_that_has_our_snapshot_is_named() -> None:
    aws: Any = Ec2({}, [foreign("snap-0")])
    with pytest.raises(Held, match=r"the snapshot snap-0 \(held by the image ami-foreign \(grace's\)\)"):
        images.remove_all(aws, "spring", quiet)
    assert (aws.images, aws.snapshots) == ({}, ["snap-0"])


@pytest.mark.parametrize("code", ["SnapshotLocked", "OperationNotPermitted"])
def test_a_locked_snapshot_is_named_with_ec2s_reason(code: str) -> None:
    aws: Any = Ec2({"snap-2": (code, "The snapshot is locked.")})
    with pytest.raises(Held, match=r"the snapshot snap-2 \(The snapshot is locked\)"):
        images.remove_all(aws, "spring", quiet)
    assert aws.snapshots == ["snap-2"]


def test_what_is_gone_already_is_passed_over() -> None:
    aws: Any = Ec2({"ami-0": ("InvalidAMIID.NotFound", "?"), "snap-2": ("InvalidSnapshot.NotFound", "?")})
    images.remove_all(aws, "spring", quiet)


def test_a_refusal_of_another_kind_is_raised() -> None:
    aws: Any = Ec2({"ami-0": ("UnauthorizedOperation", "You are not authorized.")})
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        images.remove_all(aws, "spring", quiet)


def test_a_build_goes_on_and_says_what_it_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruning ends a build: an old image must not make it fail."""
    monkeypatch.setattr(images, "current", lambda *_: "ami-0")
    monkeypatch.setattr(images, "used_by_workers", lambda *_: {})
    aws: Any = Ec2({"ami-2": ("OperationNotPermitted", "Protected.")}, [foreign("snap-2")])
    said: list[str] = []
    images.prune(aws, "spring", said.append)
    assert said == ["removing the old image ami-2", "kept for now: the image ami-2 (Protected)"]
    assert list(aws.images) == ["ami-0", "ami-1", "ami-2"]
