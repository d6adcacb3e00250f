"""`cloudjhub users` and `cloudjhub secrets`, as an operator types them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from bootstrap.aws import secrets
from bootstrap.aws.site import Site
from bootstrap.cli.announce import announce
from bootstrap.cli.groups import groups as groups_group
from bootstrap.cli.settings import secrets as secrets_group
from bootstrap.cli.users import rows
from bootstrap.cli.users import users as users_group
from bootstrap.cluster import users
from bootstrap.errors import NotBuilt, SettingsError
from bootstrap.machines.manager_request import content
from bootstrap.operations.workers.listing import store_of
from hub.users.names import People, is_code_of
from lifecycle_app.contract import ROLE_WORKER, TAG_CLUSTER, TAG_REPLACED, TAG_ROLE, TAG_USER
from lifecycle_app.model.worker import State, Worker
from tests.bootstrap.aws_in_process import emulated_aws, site_in
from tests.bootstrap.manager_examples import CONFIG
from tests.shared.tables import create_tables

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with emulated_aws():
        site = site_in(tmp_path)
        create_tables(site.cluster, site.aws.region)
        users.ensure_people(site)
        yield site


def run(site: Site, group: click.Command, *words: str, typed: str | bytes = "") -> Result:
    file = site.settings.login.users_file.parent / "cluster.yaml"
    return CliRunner().invoke(group, [*words, "--file", str(file)], input=typed)


def lines(site: Site, *words: str) -> list[str]:
    result = run(site, users_group, *words)
    assert result.exit_code == 0, result.exception
    return result.stdout.splitlines()


def error(result: Result, kind: type[Exception]) -> str:
    assert isinstance(result.exception, kind)
    return str(result.exception)


def worker(key: str, state: State) -> Worker:
    one = "i-" + key.replace("/", "-")
    return Worker(key=key, instance_id=one, state=state, state_at=NOW, version=0, changed_at=NOW)


def test_users_are_added_as_they_are_named(site: Site) -> None:
    assert lines(site, "add", "Carol", "dan", "--admin") == [
        "added carol", "added dan", "carol is an administrator now", "dan is an administrator now",
    ]  # fmt: skip
    assert lines(site, "add", "carol") == ["nothing to change"]
    assert lines(site, "add", "carol", "--no-admin") == ["carol is no longer an administrator"]
    assert users.read_people(site).admins == {"ada", "dan"}


def test_scripts_read_what_has_changed(site: Site) -> None:
    nothing: dict[str, list[str]] = {
        "added": [],
        "administrators": [],
        "no_administrators": [],
        "removed": [],
    }
    added = json.loads(run(site, users_group, "add", "carol", "dan", "--admin", "--json").stdout)
    assert added == {**nothing, "added": ["carol", "dan"], "administrators": ["carol", "dan"]}
    assert json.loads(run(site, users_group, "add", "carol", "--json").stdout) == nothing
    previewed = json.loads(run(site, users_group, "remove", "bob", "--json", "--dry-run").stdout)
    assert previewed == {**nothing, "removed": ["bob"]}
    assert "bob" in users.read_people(site).users
    assert json.loads(run(site, users_group, "remove", "bob", "--json").stdout) == previewed
    assert "bob" not in users.read_people(site).users


def test_users_are_added_from_a_file(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "class.txt"
    source.write_text("# spring\ncarol\ndan admin\n")
    lines(site, "add", "--from", str(source), "eve")
    assert users.read_people(site).users == {"ada", "bob", "carol", "dan", "eve"}
    assert users.read_people(site).admins == {"ada", "dan"}


def test_a_class_list_is_added_by_its_column(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "class.csv"
    source.write_bytes("Vorname;Matrikelnummer;E-Mail-Adresse\r\nJörg;4711;j@x.example\r\n".encode("cp1252"))
    refused = error(run(site, users_group, "add", "--from", str(source)), SettingsError)
    assert (
        f'{source}, line 1: the user names could be in 2 columns, "E-Mail-Adresse", "Matrikelnummer"'
        in refused
    )
    added = run(site, users_group, "add", "--from", str(source), "--column", "email")
    assert added.stdout.splitlines() == ["added j@x.example"]
    assert 'those in the column "E-Mail-Adresse"' in added.stderr
    assert "--from" in error(run(site, users_group, "add", "eve", "--column", "email"), SettingsError)


def test_a_wrong_line_adds_no_user(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "class.txt"
    source.write_text("carol\na/b\n")
    refused = error(run(site, users_group, "add", "eve", "--from", str(source)), SettingsError)
    assert f"{source}, line 2: 'a/b'" in refused
    assert users.read_people(site).users == {"ada", "bob"}


def test_who_is_a_user_already_or_listed_twice_is_said(site: Site) -> None:
    added = run(site, users_group, "add", "--from", "-", typed="carol\nBob\ncarol\n")
    assert added.stdout.splitlines() == ["added carol"]
    assert "in the list twice: carol (lines 1 and 3)" in added.stderr
    assert "already users: bob" in added.stderr


def test_users_are_removed_and_can_come_back(site: Site) -> None:
    assert lines(site, "remove", "bob") == ["removed bob"]
    assert users.read_people(site).removed == {"bob"}
    assert lines(site, "add", "bob") == ["added bob"]
    assert users.read_people(site).removed == frozenset()


def kept_home(site: Site, key: str, user: str) -> None:
    """A former user's worker, terminated, with its home disk."""
    store_of(site).put(replace(worker(key, State.TERMINATED), home_volume="vol-0123456789abcdef0"), NOW)
    lines(site, "remove", user)


def test_a_name_whose_files_are_kept_is_not_given_again_without_a_question(site: Site) -> None:
    kept_home(site, "bob", "bob")
    refused = run(site, users_group, "add", "bob", "carol", typed="n\n")
    assert refused.exit_code == 1
    assert "Whoever logs in as bob gets them" in refused.stderr
    assert "`cloudjhub workers terminate bob --with-home`" in refused.stderr
    assert "carol" not in refused.stderr
    assert users.read_people(site).users == {"ada"}
    assert run(site, users_group, "add", "bob").exit_code == 1, "not a terminal"
    assert "logs in as bob" in run(site, users_group, "add", "bob", "--dry-run").stderr
    assert lines(site, "add", "bob", "--yes") == ["added bob"]
    assert lines(site, "add", "bob") == ["nothing to change"], "a user now"


def test_a_name_whose_machine_is_gone_with_its_files_is_free(site: Site) -> None:
    store_of(site).put(worker("bob", State.TERMINATED), NOW)
    lines(site, "remove", "bob")
    assert lines(site, "add", "bob") == ["added bob"]


def a_disk(site: Site, user: str, **more: str) -> str:
    """A worker's disk that no record has."""
    tags = {TAG_CLUSTER: site.cluster, TAG_ROLE: ROLE_WORKER, TAG_USER: user, **more}
    made = site.aws.client("ec2").create_volume(
        AvailabilityZone=f"{site.aws.region}a",
        Size=1,
        TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}
        ],
    )
    return made["VolumeId"]


def test_a_name_with_a_disk_in_no_record_is_asked_about_too(site: Site) -> None:
    left = a_disk(site, "carol")
    a_disk(site, "dora", **{TAG_REPLACED: "2026-11-20"})
    a_disk(site, "erin", **{TAG_CLUSTER: "autumn"})
    in_use = a_disk(site, "fred")
    ec2 = site.aws.client("ec2")
    machine = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]
    ec2.attach_volume(Device="/dev/sdf", InstanceId=machine["InstanceId"], VolumeId=in_use)
    refused = run(site, users_group, "add", "carol", "dora", "erin", "fred", typed="n\n")
    assert refused.exit_code == 1
    told = [line for line in refused.stderr.splitlines() if "was used before" in line]
    assert [line.split()[0] for line in told] == ["carol"]
    assert f"kept on {left}. Whoever logs in as carol gets them" in told[0]
    assert lines(site, "add", "carol", "--yes") == ["added carol"]


def test_where_others_can_log_in_only_former_users_are_asked_about(tmp_path: Path) -> None:
    login = "login: {allow_all: true, trusted_users: true}\n"
    with emulated_aws():
        site = site_in(tmp_path, login)
        create_tables(site.cluster, site.aws.region)
        kept_home(site, "eve/gpu", "eve")
        store_of(site).put(worker("zoe", State.STOPPED), NOW)
        assert lines(site, "add", "zoe") == ["added zoe"]
        assert "workers terminate eve/gpu --with-home" in run(site, users_group, "add", "eve").stderr


def test_the_last_administrator_is_not_removed(site: Site) -> None:
    for words in (("remove", "ada"), ("remove", "ada", "--dry-run"), ("add", "ada", "--no-admin")):
        refused = error(run(site, users_group, *words), SettingsError)
        assert "no administrator would be left without ada" in refused, words


def test_an_unknown_user_is_not_removed(site: Site) -> None:
    refused = run(site, users_group, "remove", "bob", "adda")
    assert "unknown user 'adda', no user was removed: did you mean ada?" in error(refused, SettingsError)
    refused = run(site, users_group, "remove", "nobodyhere", "--dry-run")
    assert "see `cloudjhub users list`" in error(refused, SettingsError)
    assert users.read_people(site).users == {"ada", "bob"}


def test_who_has_a_machine_or_is_removed_already_is_known(site: Site) -> None:
    store_of(site).put(worker("zoe/gpu", State.STOPPED), NOW)
    assert lines(site, "remove", "zoe") == ["removed zoe"]
    assert lines(site, "remove", "zoe") == ["nothing to change"]


@pytest.mark.parametrize(
    "login",
    [
        "{allow_all: true, trusted_users: true}",
        "{authenticator: github, options: {client_id: abc, allowed_organizations: [uni]}, trusted_users: true}",
    ],
)
def test_where_others_can_log_in_any_name_can_be_removed(login: str, tmp_path: Path) -> None:
    with emulated_aws():
        site = site_in(tmp_path, f"login: {login}\n")
        create_tables(site.cluster, site.aws.region)
        assert lines(site, "remove", "eve") == ["removed eve"]


@pytest.mark.parametrize("words", [("add", "carol"), ("remove", "bob")])
def test_a_dry_run_changes_nothing(site: Site, words: tuple[str, ...]) -> None:
    before = users.read_people(site)
    assert all(line.startswith("dry run: ") for line in lines(site, *words, "--dry-run"))
    assert users.read_people(site) == before


@pytest.mark.parametrize("words", [("add",), ("remove",), ("add", "a/b"), ("remove", "")])
def test_names_are_needed_and_checked(site: Site, words: tuple[str, ...]) -> None:
    error(run(site, users_group, *words), SettingsError)


def test_the_list_has_everybodys_machines(site: Site) -> None:
    store = store_of(site)
    for one in (worker("ada", State.RUNNING), worker("ada/gpu", State.STOPPED), worker("zoe", State.STOPPED)):
        store.put(one, NOW)
    lines(site, "remove", "bob")
    told = json.loads("\n".join(lines(site, "list", "--json")))
    assert [row["name"] for row in told] == ["ada", "bob", "zoe"]
    assert told[0] == {
        "name": "ada", "admin": True, "listed": True, "removed": False,
        "workers": [
            {"server": "", "state": "running", "instance": "i-ada"},
            {"server": "gpu", "state": "stopped", "instance": "i-ada-gpu"},
        ],
    }  # fmt: skip
    text = "\n".join(lines(site, "list"))
    assert "running, stopped (gpu)" in text
    assert "not in the list" in text
    assert "removed" in text


def test_machines_that_are_gone_are_not_shown() -> None:
    assert rows(People(frozenset({"ada"})), [worker("ada", State.TERMINATED)])[0]["workers"] == []


def test_without_a_cluster_the_fix_is_told(tmp_path: Path) -> None:
    with emulated_aws():
        site = site_in(tmp_path)
        for words in (("add", "eve"), ("remove", "bob"), ("list",)):
            assert "cloudjhub up" in error(run(site, users_group, *words), NotBuilt)


def test_codes_are_each_names_own(site: Site) -> None:
    assert "cloudjhub up" in error(run(site, users_group, "codes"), NotBuilt)
    secrets.ensure(site.aws.client("ssm"), "test")
    told = json.loads("\n".join(lines(site, "codes", "--json")))
    key = secrets.read(site.aws.client("ssm"), "test", "hub/sign-up-key")
    assert list(told) == ["ada", "bob"]
    assert is_code_of(told["bob"], key, "test", "bob")
    assert not is_code_of(told["bob"], key, "test", "ada")
    assert lines(site, "codes", "BOB") == [f"{told['bob']}  bob"]
    lines(site, "remove", "bob")
    lines(site, "add", "bob")
    again = json.loads("\n".join(lines(site, "codes", "bob", "--json")))["bob"]
    assert again != told["bob"]
    assert is_code_of(again, key, "test", "bob", 1)
    assert "users add" in error(run(site, users_group, "codes", "eve"), SettingsError)


def test_accounts_that_are_kept_elsewhere_have_no_codes(tmp_path: Path) -> None:
    with emulated_aws():
        site = site_in(
            tmp_path, "login: {authenticator: google, options: {client_id: abc}, trusted_users: true}\n"
        )
        assert "google" in error(run(site, users_group, "codes"), SettingsError)


def test_a_secret_is_read_from_standard_input_and_never_shown(site: Site) -> None:
    result = run(site, secrets_group, "set", "client-secret", typed="hunter2\n")
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    assert secrets.read(site.aws.client("ssm"), "test", "hub/client-secret") == "hunter2"


def test_scripts_set_a_secret(site: Site) -> None:
    tried = run(site, secrets_group, "set", "client-secret", "--json", "--dry-run", typed="hunter2")
    assert json.loads(tried.stdout) == {"secret": "client-secret", "set": False}
    done = run(site, secrets_group, "set", "client-secret", "--json", typed="hunter2")
    assert json.loads(done.stdout) == {"secret": "client-secret", "set": True}
    assert "run `cloudjhub up`" in done.stderr


def test_a_changed_secret_is_another_manager(site: Site) -> None:
    ssm, seen = site.aws.client("ssm"), []
    for value in ("one", "two"):
        run(site, secrets_group, "set", "client-secret", typed=value)
        found = secrets.versions(ssm, "test", ["hub/client-secret", "hub/ldap-password"])
        seen.append(content(site.settings, replace(CONFIG, secret_versions=found)))
        assert list(found) == ["hub/client-secret"]
    assert len(set(seen)) == 2
    assert secrets.versions(ssm, "test", []) == {}


def test_a_secret_is_replaced(site: Site) -> None:
    for value in ("one", "two"):
        run(site, secrets_group, "set", "ldap-password", typed=value)
    assert secrets.read(site.aws.client("ssm"), "test", "hub/ldap-password") == "two"


@pytest.mark.parametrize("typed", ["", "\n", "a\nb\n", "x" * 5000, b"\xff\xfe"])
def test_a_value_is_one_line(site: Site, typed: str | bytes) -> None:
    assert "one line" in error(run(site, secrets_group, "set", "client-secret", typed=typed), SettingsError)


def test_other_secrets_are_not_set_by_hand(site: Site) -> None:
    assert "client-secret" in error(run(site, secrets_group, "set", "hub/cookie-secret"), SettingsError)


def test_a_dry_run_sets_nothing(site: Site) -> None:
    run(site, secrets_group, "set", "client-secret", "--dry-run", typed="x")
    assert secrets.dates(site.aws.client("ssm"), "test") == {}


def test_secrets_are_listed_by_name_and_date(site: Site) -> None:
    run(site, secrets_group, "set", "client-secret", typed="hunter2")
    result = run(site, secrets_group, "list")
    assert result.stdout.rstrip().endswith("hub/client-secret")
    assert result.stdout.startswith(str(datetime.now().astimezone().year))
    assert list(json.loads(run(site, secrets_group, "list", "--json").stdout)) == ["hub/client-secret"]
    assert "hunter2" not in result.output


def test_teachers_of_a_group_are_added_listed_and_removed(site: Site) -> None:
    def grouped(*words: str) -> Result:
        return run(site, groups_group, *words)

    assert grouped("list").stdout == "no group has a teacher or a machine yet\n"
    assert lines(site, "add", "grace", "henry") == ["added grace", "added henry"]
    dry = grouped("add-teacher", "physics", "grace", "--dry-run")
    assert dry.stdout == "dry run: grace is a teacher of physics now\n"
    assert not users.read_people(site).teaches
    added = grouped("add-teacher", "physics", "Grace")
    assert added.stdout == "grace is a teacher of physics now\n"
    assert "no machine's user is in a group 'physics' yet" in added.stderr
    assert grouped("add-teacher", "physics", "grace").stdout == "nothing to change\n"
    store_of(site).put(replace(worker("henry", State.STOPPED), groups=("physics", "maths")), NOW)
    assert json.loads(grouped("list", "--json").stdout) == [
        {"name": "maths", "teachers": [], "machines": 1},
        {"name": "physics", "teachers": ["grace"], "machines": 1},
    ]
    assert "physics" in grouped("list").stdout
    assert "did you mean grace?" in error(grouped("add-teacher", "maths", "grase"), SettingsError)
    assert "printable characters" in error(grouped("add-teacher", " ", "grace"), SettingsError)
    assert grouped("remove-teacher", "physics", "grace").stdout == "grace is no longer a teacher of physics\n"
    grouped("add-teacher", "maths", "grace")
    assert lines(site, "remove", "grace")[0] == "removed grace"
    assert not users.read_people(site).teaches, "a removed user teaches no group"


def test_an_announcement_is_set_printed_and_cleared(site: Site) -> None:
    def announced(*words: str) -> Result:
        return run(site, announce, *words)

    assert announced().stdout == "no announcement\n"
    assert announced("Exam on Friday", "--dry-run").stdout == "dry run: info: Exam on Friday\n"
    assert announced().stdout == "no announcement\n"
    assert announced("Exam on Friday", "--level", "warning", "--until", "2h").exit_code == 0
    said = announced().stdout
    assert said.startswith("warning, until ")
    assert said.endswith(": Exam on Friday\n")
    assert "--until: soon" in error(announced("Exam", "--until", "soon"), SettingsError).replace("'", "")
    assert "printable characters" in error(announced("x" * 501), SettingsError)
    assert "not both" in error(announced("Exam", "--clear"), SettingsError)
    assert announced("--clear").stdout == "no announcement\n"
    assert announced("--json").stdout == "null\n"
