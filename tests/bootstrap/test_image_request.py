"""The requests that make a worker image, and what decides that another one is needed."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bootstrap.aws.site import BuiltNetwork
from bootstrap.config.choices import Base, Egress
from bootstrap.config.settings import ClusterSettings, Network, Workers
from bootstrap.errors import SettingsError
from bootstrap.machines import launch
from bootstrap.machines.base_images import BaseImage
from bootstrap.machines.bundle import REPOSITORY, build, current
from bootstrap.machines.image import start
from bootstrap.machines.image.request import (
    ImageConfig,
    Recipe,
    image_request,
    launch_request,
    packages_object,
    recipe,
    user_data,
    versions_in,
)

SETTINGS = ClusterSettings(
    cluster="class",
    region="us-east-1",
    owner="Ada",
    network=Network(name="class", egress=Egress.NAT_GATEWAY),
    workers=Workers(disk=12),
)
BASE = BaseImage(
    image="ami-1", system=Base.UBUNTU, architecture="arm64", root_device="/dev/sda1", root_size=8
)
BUILT = BuiltNetwork("vpc-1", "subnet-manager", ("subnet-a", "subnet-b"))
NOW = datetime(2026, 11, 23, 9, 5, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def made_of() -> Recipe:
    return recipe(SETTINGS, BASE, current(), "a-bucket")


def test_the_builder(made_of: Recipe) -> None:
    request = launch_request(SETTINGS, made_of, BUILT, "sg-workers")
    tags = {
        "Owner": "Ada",
        "Creator": "cloudjhub",
        "cloudjhub:cluster": "class",
        "cloudjhub:role": "builder",
        "cloudjhub:content": made_of.content,
        "Name": "cloudjhub-class-worker-builder",
    }
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    assert request == {
        "ImageId": "ami-1",
        "InstanceType": "t4g.medium",
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": "subnet-a",
                "Groups": ["sg-workers"],
                "DeleteOnTermination": True,
            }
        ],
        "IamInstanceProfile": {"Name": "cloudjhub-class-builder"},
        "InstanceInitiatedShutdownBehavior": "stop",
        "CreditSpecification": {"CpuCredits": "unlimited"},
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {
                    "VolumeSize": 12,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": listed},
            {"ResourceType": "volume", "Tags": listed},
            {"ResourceType": "network-interface", "Tags": listed},
        ],
        "UserData": user_data(made_of.config, Base.UBUNTU),
    }


@pytest.mark.parametrize(
    ("network", "subnet", "is_public"),
    [
        (Network(name="n", egress=Egress.NAT_GATEWAY), "subnet-a", False),
        (Network(name="n", egress=Egress.PUBLIC_ADDRESS), "subnet-a", True),
        # The manager, through which workers reach the internet, is launched after the image.
        (Network(name="n", egress=Egress.MANAGER), "subnet-manager", True),
        (Network(name="n", egress=Egress.DUAL_STACK), "subnet-manager", True),
        (
            Network(
                name="n",
                vpc="vpc-11111111",
                manager_subnet="subnet-11111111",
                worker_subnets=("subnet-22222222",),
                egress=Egress.MANAGER,
            ),
            "subnet-a",
            False,
        ),
    ],
)
def test_the_builder_reaches_the_internet(
    made_of: Recipe, network: Network, subnet: str, is_public: bool
) -> None:
    request = launch_request(replace(SETTINGS, network=network), made_of, BUILT, "sg")
    [interface] = request["NetworkInterfaces"]
    assert (interface["SubnetId"], interface.get("AssociatePublicIpAddress", False)) == (subnet, is_public)


def test_the_image_tells_what_it_holds(made_of: Recipe) -> None:
    request = image_request(SETTINGS, made_of, "i-1", {"jupyterlab": "4.6.6"}, NOW)
    assert request["InstanceId"] == "i-1"
    assert request["Name"] == "cloudjhub-class-worker-20261123-090500"
    image, snapshot = request["TagSpecifications"]
    assert (image["ResourceType"], snapshot["ResourceType"]) == ("image", "snapshot")
    assert image["Tags"] == snapshot["Tags"]
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert (tags["cloudjhub:role"], tags["cloudjhub:content"]) == ("image", made_of.content)
    assert versions_in(tags) == {"jupyterlab": "4.6.6"}


def changed(directory: Path, file: str) -> Path:
    """A copy of what the bundle is packed of, with a line more in one file."""
    for part in ("bootstrap", "hub", "lifecycle_app"):
        ignore = shutil.ignore_patterns("node_modules", "__pycache__", "local")
        shutil.copytree(REPOSITORY / part, directory / part, ignore=ignore)
    with (directory / file).open("a") as source:
        source.write("\n# another line\n")
    return directory


@pytest.mark.parametrize(
    ("file", "is_another"),
    [
        ("bootstrap/worker/boot.py", True),
        ("bootstrap/machines/image/setup.py", True),
        ("bootstrap/machines/image/additions.py", True),
        ("bootstrap/worker/image-requirements.txt", True),
        ("bootstrap/worker/systemd/cloudjhub-worker.service", True),
        ("hub/spawn/spawner.py", False),
        ("lifecycle_app/model/worker.py", False),
        ("bootstrap/machines/manager/services.py", False),
    ],
)
def test_only_what_is_baked_in_asks_for_a_new_image(
    tmp_path: Path, made_of: Recipe, file: str, is_another: bool
) -> None:
    bundle = build(changed(tmp_path, file))
    assert bundle.key != current().key
    assert (recipe(SETTINGS, BASE, bundle, "a-bucket").content != made_of.content) == is_another


@pytest.mark.parametrize(
    ("base", "workers", "bucket", "is_another"),
    [
        (BASE, Workers(disk=12), "other-bucket", False),
        (BASE, Workers(disk=12, types=("m7i.large",), home_disk=0), "a-bucket", False),
        (BASE, Workers(disk=13), "a-bucket", True),
        (BASE, Workers(disk=12, packages=("numpy",)), "a-bucket", True),
        (BASE, Workers(disk=12, apt_packages=("r-base",)), "a-bucket", True),
        (replace(BASE, image="ami-2"), Workers(disk=12), "a-bucket", True),
    ],
)
def test_what_else_asks_for_a_new_image(
    made_of: Recipe, base: BaseImage, workers: Workers, bucket: str, is_another: bool
) -> None:
    other = recipe(replace(SETTINGS, workers=workers), base, current(), bucket)
    assert (other.content != made_of.content) == is_another


APT = tuple(f"{'p' * 100}{number}=1:2.3.4-5build6" for number in range(200))
CONFIG = ImageConfig(
    region="us-east-1",
    bucket="b" * 63,
    bundle=f"bundle/{'a' * 64}.tar.gz",
    packages=f"bundle/{'b' * 64}.packages.json",
)


def document(system: Base) -> dict[str, Any]:
    header, _, body = user_data(CONFIG, system).partition("\n")
    assert header == "#cloud-config"
    return dict(json.loads(body))


@pytest.mark.parametrize("system", list(Base))
def test_user_data_fits_and_passes_values_by_file_only(system: Base) -> None:
    told = document(system)
    config, fetch, lock, program = told.pop("write_files")
    assert lock == launch.fetch_requirements(start.FETCH_REQUIREMENTS)
    assert json.loads(config["content"])["packages"] == CONFIG.packages
    assert told["runcmd"] == [
        ["python3" if system is Base.UBUNTU else "python3.11", "/var/lib/cloudjhub/start.py"]
    ]
    assert [one["path"] for one in (fetch, program)] == [
        "/var/lib/cloudjhub/fetch.py",
        "/var/lib/cloudjhub/start.py",
    ]


@pytest.mark.parametrize("system", list(Base))
def test_user_data_fits_whatever_the_settings(system: Base) -> None:
    """Two hundred packages with the longest names and bounds, on a cluster with the longest name."""
    packages = tuple(
        f"{'p' * 100}{number}[extra]>=1.2.3,<2; python_version < '3.14'" for number in range(200)
    )
    settings = replace(
        SETTINGS, cluster="c" * 32, workers=Workers(disk=12, packages=packages, apt_packages=APT)
    )
    made_of = recipe(settings, replace(BASE, system=system), current(), "b" * 63)
    request = launch_request(settings, made_of, BUILT, "sg-workers")
    assert len(request["UserData"].encode()) < 16_384 * 2 / 3
    _, content = packages_object(settings.workers)
    assert json.loads(content) == {"packages": list(packages), "apt_packages": list(APT), "setup": ""}


def test_another_script_makes_another_image_and_is_in_the_bucket_only(
    tmp_path: Path, made_of: Recipe
) -> None:
    script = tmp_path / "setup.sh"
    settings = replace(SETTINGS, workers=Workers(disk=12, setup=script))
    contents = {made_of.content}
    for text in ("#!/bin/sh\necho blackboard\n", "#!/bin/sh\necho chalk\n"):
        script.write_text(text)
        other = recipe(settings, BASE, current(), "a-bucket")
        assert text.split()[-1] not in user_data(other.config, Base.UBUNTU)
        assert json.loads(packages_object(settings.workers)[1])["setup"] == text
        contents.add(other.content)
    assert len(contents) == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        (b"echo hello\n", "begin it with a line like #!/bin/bash"),
        (b"", "begin it with a line like"),
        (b"#!/bin/sh\r\necho\r\n", "line ends of Windows"),
        (b"#!/bin/sh\n\xff\n", "not text in UTF-8"),
        (b"#!/bin/sh\n" + b"#" * 64 * 1024, "larger than 64 KB"),
    ],
)
def test_a_script_that_cannot_run_is_refused_before_anything_is_built(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    script = tmp_path / "setup.sh"
    if content is not None:
        script.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"^workers\.setup: {script} .*{reason}"):
        packages_object(Workers(setup=script))


def test_packages_reach_pip_by_a_file_and_never_through_user_data() -> None:
    key, content = packages_object(Workers(packages=("numpy>=2; $(reboot) `reboot` 'x'\n- x",)))
    assert json.loads(content)["packages"] == ["numpy>=2; $(reboot) `reboot` 'x'\n- x"]
    assert key == f"bundle/{hashlib.sha256(content).hexdigest()}.packages.json"
    assert "reboot" not in user_data(replace(CONFIG, packages=key), Base.UBUNTU)


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init is not installed")
@pytest.mark.parametrize("system", list(Base))
def test_user_data_passes_cloud_inits_schema(tmp_path: Path, system: Base) -> None:
    file = tmp_path / "user-data"
    file.write_text(user_data(CONFIG, system))
    done = subprocess.run(
        ["cloud-init", "schema", "--config-file", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deprecat" not in (done.stdout + done.stderr).lower()
