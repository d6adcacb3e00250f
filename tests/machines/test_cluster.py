"""A builder, a manager and a worker, each a Debian root that sets itself up by its user data alone."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from bootstrap.aws.secrets import MAKERS
from bootstrap.config.choices import Https
from bootstrap.machines import tls
from bootstrap.machines.image.building import outcome
from bootstrap.machines.manager.config import (
    CERTBOT_STATE,
    CERTIFICATE,
    CONFIG_PATH,
    NGINX_CONF,
    ManagerConfig,
)
from bootstrap.machines.manager.config import UNITS as UNITS_PATH
from bootstrap.machines.manager.services import CERTIFICATE_UNIT, unit
from bootstrap.machines.manager.web.nginx import nginx_conf
from tests.machines import network
from tests.machines.base import base_root
from tests.machines.cluster import PORT, Cluster
from tests.machines.machine import Machine
from tests.scenarios.person import Person

URL = f"https://127.0.0.1:{PORT}"
UNITS = (
    "cloudjhub-hub.service",
    "cloudjhub-proxy.service",
    "cloudjhub-nginx.service",
    "cloudjhub-journal.service",
)
OPEN, CLOSED = (80, PORT), (8000, 8001, 8002, 8081)


@pytest.fixture(scope="module")
def built(cluster: Cluster) -> Cluster:
    """Worker image and manager are there, made at the same time as `up` does."""
    with ThreadPoolExecutor() as pool:
        for step in [pool.submit(cluster.apply, name) for name in ("image", "manager")]:
            step.result()
    [image] = cluster.images()
    cluster.play(image["ImageId"], [cluster.layer(cluster.builder()), base_root()])
    return cluster


@pytest.fixture(scope="module")
def manager(built: Cluster) -> Machine:
    [machine] = built.machines("manager")
    machine.await_active(*UNITS)
    return machine


@pytest.fixture(scope="module")
def _pinned(built: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every request trusts the cluster's own certificate, and no other."""
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_text(tls.certificate_to_pin(built.site))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(file))
        patch.setenv("SSL_CERT_FILE", str(file))
        yield file


@pytest.fixture(scope="module")
def alice(built: Cluster, manager: Machine, _pinned: Path) -> Person:
    return Person(URL, "alice", built.secret("hub/user-password"))


@pytest.fixture(scope="module")
def worker(built: Cluster, alice: Person) -> Machine:
    alice.start()
    [machine] = built.machines("worker")
    return machine


# -- the builder


def test_builder_tells_what_the_image_holds(built: Cluster) -> None:
    told = outcome(built.console(built.builder()))
    assert told is not None
    assert told.versions is not None
    assert told.versions["jupyterlab"]
    [image] = built.images()
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert tags["cloudjhub:version:jupyterlab"] == told.versions["jupyterlab"]
    assert built.machines("builder") == []


def test_image_keeps_nothing_of_the_builder(built: Cluster) -> None:
    layer = built.layer(built.builder())
    assert not (layer / "etc/cloudjhub/image.json").is_file()
    assert not (layer / "opt/cloudjhub/bundle").is_dir()
    assert list(layer.glob("etc/ssh/ssh_host_*_key.pub")) == []
    assert (layer / "etc/machine-id").read_text() == ""


# -- the manager


def test_manager_did_all_that_its_user_data_asks_for(manager: Machine) -> None:
    manager.await_cloud_init()
    assert "cloudjhub-setup: done" in manager.journal("--unit=cloudjhub-setup.service")


def test_units_are_what_systemd_expects(manager: Machine) -> None:
    assert manager.run("systemd-analyze", "verify", *UNITS, "cloudjhub-setup.service") == ""


@pytest.mark.usefixtures("_pinned")
def test_hub_answers_over_https(manager: Machine) -> None:
    page = requests.get(f"{URL}/hub/login", timeout=10)
    assert page.ok
    assert "JupyterHub" in page.text or "cloudJHub" in page.text
    assert page.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


@pytest.mark.usefixtures("_pinned")
def test_nginx_finds_the_scripts_and_styles_that_a_page_names(manager: Machine) -> None:
    """And may read them, as another user than the hub's."""
    page = requests.get(f"{URL}/hub/login", timeout=10).text
    named = re.findall(r'(?:src|href)="(/hub/static/[^"]+)"', page)
    assert len(named) >= 5
    for path in named:
        answer = requests.get(URL + path, timeout=10)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "max-age=31536000, immutable")


def test_http_leads_to_https(manager: Machine) -> None:
    answer = requests.get("http://127.0.0.1/hub/login", timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"{URL}/hub/login")


def test_certificate_is_trusted_by_no_other(manager: Machine) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.Session().get(f"{URL}/hub/login", timeout=10, verify="/etc/ssl/certs/ca-certificates.crt")


@pytest.mark.parametrize(("port", "is_open"), [(p, True) for p in OPEN] + [(p, False) for p in CLOSED])
def test_only_nginx_listens_on_every_address(port: int, is_open: bool, manager: Machine) -> None:
    with socket.socket() as probe:
        probe.settimeout(5)
        assert (probe.connect_ex((network.INSIDE, port)) == 0) is is_open


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        ("/var/lib/cloudjhub/hub", "700 cloudjhub-hub"),
        ("/run/cloudjhub/proxy.env", "600 root"),
        ("/run/cloudjhub/tls/key.pem", "640 root"),
        ("/etc/cloudjhub/manager.json", "644 root"),
    ],
)
def test_files_are_whose_they_should_be(path: str, facts: str, manager: Machine) -> None:
    assert manager.run("stat", "--format=%a %U", path).strip() == facts


def test_state_is_on_its_own_disk(manager: Machine) -> None:
    label = manager.run("findmnt", "--noheadings", "--output=LABEL", "/var/lib/cloudjhub")
    assert label.strip() == "cloudjhub-state"


def test_services_have_users_of_their_own(manager: Machine) -> None:
    users = {
        unit: manager.run("systemctl", "show", "--property=User", "--value", unit).strip()
        for unit in UNITS[:3]
    }
    assert list(users.values()) == ["cloudjhub-hub", "cloudjhub-proxy", "cloudjhub-nginx"]


def test_no_secret_is_on_the_root_disk_or_in_the_journal(built: Cluster, manager: Machine) -> None:
    secrets = [built.secret(name) for name in MAKERS]
    found = [
        path
        for path in built.layer(manager).rglob("*")
        if path.is_file() and not path.is_symlink() and "journal" not in path.parts
        and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]  # fmt: skip
    assert found == []
    journal = manager.run("journalctl", "--no-pager", "--all")
    processes = manager.run("ps", "-eo", "args")
    console = built.console(manager)
    assert [name for name in MAKERS if built.secret(name) in journal + processes + console] == []


def test_journal_reaches_the_log_group(built: Cluster, manager: Machine) -> None:
    logs = built.site.aws.client("logs")
    group = f"/cloudjhub/{built.site.cluster}/manager"
    manager.await_true(
        "the log group has lines", lambda: logs.filter_log_events(logGroupName=group, limit=1)["events"]
    )


@pytest.mark.usefixtures("_pinned")
def test_page_says_so_while_the_hub_is_down(manager: Machine) -> None:
    manager.run("systemctl", "stop", "cloudjhub-hub.service")
    page = requests.get(f"{URL}/hub/login", timeout=10)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "<h1>The hub is starting</h1>" in page.text
    manager.run("systemctl", "start", "cloudjhub-hub.service")
    manager.await_true("the hub answers", lambda: _answers(f"{URL}/hub/api/"))


def test_nginx_runs_its_new_program_after_an_update(manager: Machine) -> None:
    def main() -> str:
        return manager.run("systemctl", "show", "--property=MainPID", "--value", "cloudjhub-nginx.service")

    before = main()
    manager.run("cp", "/usr/sbin/nginx", "/usr/sbin/nginx.dpkg-new")
    manager.run("mv", "/usr/sbin/nginx.dpkg-new", "/usr/sbin/nginx")
    manager.await_true("nginx is another process", lambda: main() not in ("0\n", before))
    manager.await_active("cloudjhub-nginx.service")


WRITE = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"


@pytest.mark.usefixtures("_pinned")
def test_certificate_can_be_exchanged_within_its_unit(manager: Machine) -> None:
    """This cluster has no such unit; its certificate is in Parameter Store like a certificate of the operator's."""
    own = ManagerConfig.from_json(manager.run("cat", str(CONFIG_PATH)))
    manager.run("python3", "-c", WRITE, f"{UNITS_PATH}/{CERTIFICATE_UNIT}", unit(CERTIFICATE_UNIT, own))
    manager.run("systemctl", "daemon-reload")
    kept = manager.run("cat", str(CERTIFICATE))
    manager.run("rm", str(CERTIFICATE))
    manager.run("systemctl", "start", CERTIFICATE_UNIT)
    assert manager.run("cat", str(CERTIFICATE)) == kept
    assert "Reloaded" in manager.journal("--unit=cloudjhub-nginx.service")
    assert manager.is_active("cloudjhub-nginx.service")

    ours = replace(own, https=Https.LETS_ENCRYPT, public_url=f"https://hub.example.org:{PORT}")
    manager.run("python3", "-c", WRITE, str(CONFIG_PATH), ours.to_json())
    manager.run("python3", "-c", WRITE, str(NGINX_CONF), nginx_conf(ours))
    manager.run("python3", "-c", WRITE, "/etc/hosts", "127.0.0.1 localhost hub.example.org\n")
    manager.run("systemctl", "reload", "cloudjhub-nginx.service")
    manager.run("mkdir", "-p", "/etc/letsencrypt", str(CERTBOT_STATE))
    manager.run(
        "python3", "-c", WRITE, "/etc/letsencrypt/cli.ini", "server = https://127.0.0.1:1/directory\n"
    )
    assert manager.tried("systemctl", "start", CERTIFICATE_UNIT).returncode != 0
    assert re.search(
        r"cloudjhub-certificate: no certificate from Let's Encrypt: .*Connection refused",
        manager.journal(f"--unit={CERTIFICATE_UNIT}"),
    )
    assert "does not lead here" not in manager.journal(f"--unit={CERTIFICATE_UNIT}")
    assert manager.run("cat", str(CERTIFICATE)) == kept
    manager.run("python3", "-c", WRITE, str(CONFIG_PATH), own.to_json())
    manager.run("python3", "-c", WRITE, str(NGINX_CONF), nginx_conf(own))
    manager.run("systemctl", "reload", "cloudjhub-nginx.service")
    manager.run("systemctl", "reset-failed", CERTIFICATE_UNIT)
    manager.await_true("the hub answers", lambda: _answers(f"{URL}/hub/api/"))


# -- the worker


def test_worker_gets_its_environment_and_serves(worker: Machine, alice: Person) -> None:
    assert worker.is_active("cloudjhub-worker.service")
    assert alice.run_cell(alice.open_kernel(), "import getpass; print(getpass.getuser())").strip() == "jovyan"


def test_home_is_on_its_own_disk(worker: Machine, alice: Person) -> None:
    assert worker.run("findmnt", "--noheadings", "--output=LABEL", "/home/jovyan").strip() == "cloudjhub-home"
    alice.write("kept.txt", "kept")
    assert worker.run("stat", "--format=%U", "/home/jovyan/kept.txt").strip() == "jovyan"


def test_server_runs_as_the_notebooks_user(worker: Machine) -> None:
    servers = worker.run("ps", "-C", "python", "-o", "user:20=,args=")
    assert [line.split()[0] for line in servers.splitlines() if "jupyterhub.singleuser" in line] == ["jovyan"]


def test_nothing_fails_and_nothing_is_started_that_is_not_needed(worker: Machine) -> None:
    assert worker.run("systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""
    running = worker.run("systemctl", "list-timers", "--all", "--plain", "--no-legend")
    assert "apt-daily" not in running


def test_workers_units_are_what_systemd_expects(worker: Machine) -> None:
    units = ("cloudjhub-worker.service", "cloudjhub-home.service", "home-jovyan.mount")
    assert worker.run("systemd-analyze", "verify", *units) == ""


def test_boot_is_complete(worker: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    told = worker.run("systemd-analyze", "time")
    with capsys.disabled():
        print(f"\n{told}{worker.run('systemd-analyze', 'critical-chain', 'cloudjhub-worker.service')}")
        print("\n".join(worker.run("systemd-analyze", "blame").splitlines()[:8]))
    assert re.search(r"\.target reached after .+ in userspace", told), told


# -- what comes later


def test_manager_comes_back_with_its_state_and_its_users(
    built: Cluster, manager: Machine, worker: Machine, alice: Person
) -> None:
    before = manager.run("cat", "/etc/machine-id")
    started = manager.init()
    manager.tried("systemctl", "reboot")
    manager.await_true("the manager boots again", lambda: manager.init() not in (None, started))
    manager.await_active(*UNITS)
    manager.await_true("the hub answers", lambda: _answers(f"{URL}/hub/api/"))
    assert manager.run("cat", "/etc/machine-id") == before
    assert alice.is_logged_in()
    assert alice.read("kept.txt") == "kept"
    assert [one.instance_id for one in built.machines("worker")] == [worker.instance_id]


def test_worker_comes_back_with_its_home(worker: Machine, alice: Person) -> None:
    started = worker.init()
    worker.tried("systemctl", "reboot")
    worker.await_true("the worker boots again", lambda: worker.init() not in (None, started))
    worker.await_active("cloudjhub-worker.service")
    worker.await_true("the server answers", lambda: alice.lab("GET", "api/contents/kept.txt").ok)
    assert alice.read("kept.txt") == "kept"
    assert worker.run("findmnt", "--noheadings", "--output=LABEL", "/home/jovyan").strip() == "cloudjhub-home"


def test_worker_whose_home_is_damaged_starts_no_server_and_formats_nothing(
    built: Cluster, worker: Machine, alice: Person
) -> None:
    disk = worker.run("readlink", "/run/cloudjhub/home-disk").strip()
    worker.run("systemctl", "stop", "home-jovyan.mount")
    assert not worker.is_active("cloudjhub-worker.service"), "it runs without its home"
    worker.run("dd", "if=/dev/zero", f"of={disk}", "bs=4k", "seek=1", "count=64", "conv=fsync")
    started = worker.init()
    worker.tried("systemctl", "reboot")
    worker.await_true("the worker boots again", lambda: worker.init() not in (None, started))
    worker.await_true("the disk is checked", lambda: _is_failed(worker, "cloudjhub-home.service"))
    assert not worker.is_active("cloudjhub-worker.service")
    assert worker.tried("findmnt", "/home/jovyan").returncode != 0
    assert "Nothing was formatted" in built.console(worker)
    worker.await_active("cloudjhub-home-failed.service")

    worker.run("e2fsck", "-f", "-y", disk, check=False)
    worker.run("systemctl", "start", "cloudjhub-worker.service")
    assert not worker.is_active("cloudjhub-home-failed.service")
    worker.await_true("the server answers", lambda: alice.lab("GET", "api/contents/kept.txt").ok)
    assert alice.read("kept.txt") == "kept"


def _is_failed(machine: Machine, unit: str) -> bool:
    return machine.tried("systemctl", "is-failed", "--quiet", unit).returncode == 0


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
