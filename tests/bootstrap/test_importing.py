"""`cloudjhub import users`: what the files of TLJH, z2jh, the earlier cloudJHub and JupyterHub itself hold."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jupyterhub import orm
from traitlets.config import Config

from bootstrap.aws.site import Site
from bootstrap.cli.importing.command import groups_text, import_
from bootstrap.cli.importing.finds import Imported
from bootstrap.cli.importing.sources import read
from bootstrap.cluster import users
from bootstrap.errors import SettingsError
from tests.bootstrap.aws_in_process import emulated_aws, site_in
from tests.shared.tables import create_tables

TLJH = """\
users:
  admin:
  - Ada
  allowed: [ada, bob]
  banned:
  - mallory
  - carl
  extra_user_groups:
    sudo: [bob]
auth:
  type: nativeauthenticator.NativeAuthenticator
  NativeAuthenticator: {open_signup: true, allowed_users: [carl]}
"""
Z2JH = """\
hub:
  config:
    JupyterHub:
      authenticator_class: github
      load_groups:
        physics: {users: [bob, ada]}
        old: [ada, zoe]
    GitHubOAuthenticator: {allowed_users: &everyone [ada]}
    Authenticator:
      admin_users: *everyone
      allowed_users: [bob]
  extraConfig:
    10-more: |
      # more
      c.Authenticator.allowed_users.add("carl")
      c.Authenticator.admin_users |= {"dan"}
"""
CONFIG = """\
c = get_config()
c.Authenticator.allowed_users = {"ada", "bob"}
c.Authenticator.admin_users = set(["ada"])
c.Authenticator.blocked_users = ("mallory",)
c.Authenticator.allowed_users.update(open("more").read().split())
c.JupyterHub.load_groups = {"physics": {"users": ["bob"], "properties": {}}, "old": ["ada"]}
"""


def found(tmp_path: Path, name: str, content: str) -> Imported:
    """What is found in a file of this name."""
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    return read([file])[0]


def test_tljhs_settings(tmp_path: Path) -> None:
    got = found(tmp_path, "config.yaml", TLJH)
    assert got.users == {"ada": True, "bob": False}
    assert got.groups == {}
    assert "blocked on the earlier hub, and left out: carl" in got.notes
    assert f"{tmp_path}/config.yaml, line 9: groups of the machine itself have no counterpart" in got.notes


def test_z2jhs_values(tmp_path: Path) -> None:
    """With what their `extraConfig` adds."""
    got = found(tmp_path, "values.yml", Z2JH)
    assert got.users == {"ada": True, "bob": False, "carl": False, "dan": True}
    assert got.groups == {"old": ("ada",), "physics": ("ada", "bob")}
    assert got.notes == ("in a group, but not a user, and left out: zoe",)
    older = found(tmp_path, "old.yaml", "auth: {admin: {users: [ada]}, whitelist: {users: [bob]}}\n")
    assert older.users == {"ada": True, "bob": False}


def test_a_hubs_configuration_is_read_and_never_run(tmp_path: Path) -> None:
    got = found(tmp_path, "jupyterhub_config.py", CONFIG)
    assert got.users == {"ada": True, "bob": False}
    assert got.groups == {"old": ("ada",), "physics": ("bob",)}
    [note] = got.notes
    assert note.startswith(f"{tmp_path}/jupyterhub_config.py, line 5: allowed_users is computed there")


def database(file: Path) -> Path:
    """A database as JupyterHub makes it."""
    sessions = orm.new_session_factory(f"sqlite:///{file}")
    with sessions() as session:
        ada, bob = orm.User(name="ada", admin=True), orm.User(name="Bob")
        session.add_all([ada, bob, orm.User(name="a/b"), orm.Group(name="physics", users=[bob])])
        session.commit()
        session.get_bind().engine.dispose()
    return file


def test_jupyterhubs_database_is_read_and_not_changed(tmp_path: Path) -> None:
    file = database(tmp_path / "jupyterhub.sqlite").rename(tmp_path / "hub of 2020?.sqlite")
    before = file.read_bytes()
    got, _ = read([file])
    assert got.users == {"ada": True, "bob": False}
    assert got.groups == {"physics": ("bob",)}
    assert got.refused == (f"{file}, user 3: 'a/b': A user name cannot contain the character /",)
    assert file.read_bytes() == before
    (tmp_path / "other.sqlite").write_bytes(before[:100])
    with pytest.raises(SettingsError, match="cannot be read as JupyterHub's database"):
        read([tmp_path / "other.sqlite"])


def test_what_the_api_answers(tmp_path: Path) -> None:
    answer = [
        {"kind": "user", "name": "ada", "admin": True, "groups": ["physics"]},
        {"kind": "user", "name": "bob", "admin": False, "groups": []},
        {"kind": "user", "name": "ADA", "admin": False},
    ]
    got = found(tmp_path, "users.json", json.dumps(answer))
    assert got.users == {"ada": True, "bob": False}
    assert got.groups == {"physics": ("ada",)}
    assert got.refused == (
        f"{tmp_path}/users.json, entry 3: 'ada' and 'ADA' are two users there, and one name here",
    )
    page = found(
        tmp_path, "page.json", json.dumps({"items": answer[:1], "_pagination": {"next": {"offset": 1}}})
    )
    assert "one page of several" in page.notes[0]


def test_a_directory_is_read_by_what_is_known_in_it(tmp_path: Path) -> None:
    """TLJH's first-use accounts are in its database only."""
    (tmp_path / "config").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "config/config.yaml").write_text("users: {admin: [zoe]}\n")
    database(tmp_path / "state/jupyterhub.sqlite")
    (tmp_path / "userlist").write_text("carl admin\n__tokengeneratoradmin admin\n")
    got, files = read([tmp_path])
    assert [file.name for file in files] == ["config.yaml", "jupyterhub.sqlite", "userlist"]
    assert got.users == {"ada": True, "bob": False, "carl": True, "zoe": True}
    (tmp_path / "config/config.yaml").unlink()
    with pytest.raises(SettingsError, match=r"has none of config\.yaml"):
        read([tmp_path / "config"])


@pytest.mark.parametrize(
    ("name", "content", "refused"),
    [
        ("config.yaml", "users:\n  allowed:\n  - ada\n  - a/b\n", "config.yaml, line 4: 'a/b'"),
        ("config.yaml", "users:\n  allowed:\n  - {a: b}\n  - 1\n", "line 3: a user name is expected, not '{}'"),
        ("jupyterhub_config.py", "c.Authenticator.allowed_users = {\n 'ada',\n 'a b ',\n}\n", "py, line 3: 'a b '"),
        ("jupyterhub_config.py", "c.Authenticator.allowed_users = {7}\n", "a user name is expected, not '7'"),
        ("hub.yaml", "hub:\n extraConfig:\n  a: |\n   #\n   c.A.admin_users = ['?']\n", "hub.yaml, line 5: '?'"),
        ("users.json", '[{"name": "ada"}, {"name": null}]', "entry 2: a user name is expected, not 'None'"),
        ("users.json", '[{"name": "ada", "groups": [" "]}]', "entry 1: ' ': a group's name has"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, refused: str
) -> None:
    [line] = found(tmp_path, name, content).refused
    assert refused in line


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("config.yaml", "users: [", "is not YAML"),
        ("config.yaml", "\udce4", "line 1: not UTF-8"),
        ("jupyterhub_config.py", "c.x = (", "not Python"),
        ("jupyterhub_config.py", "-" * 100_000 + "1", "not Python"),
        ("users.json", "[1]", "is not a list of users"),
        ("users.json", "[" * 100_000, "is not JSON"),
        ("userlist", "ada\na/b\n", "userlist, line 2: 'a/b'"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: str, problem: str) -> None:
    file = tmp_path / name
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(SettingsError, match=problem):
        read([file])


def test_groups_are_written_as_python_whatever_they_are_called() -> None:
    text = groups_text({"phy'sics\"": ["ada", "o'neil"]})
    config = Config()
    exec(text, {"c": config})  # noqa: S102 -- our own, as JupyterHub runs it
    assert config.JupyterHub.load_groups == {"phy'sics\"": {"users": ["ada", "o'neil"]}}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with emulated_aws():
        site = site_in(tmp_path)
        create_tables(site.cluster, site.aws.region)
        users.ensure_people(site)
        yield site


def run(site: Site, *words: str, typed: str = "") -> Result:
    file = site.settings.login.users_file.parent / "cluster.yaml"
    return CliRunner().invoke(import_, ["users", *words, "--file", str(file)], input=typed)


def test_users_are_shown_then_added_with_their_roles(site: Site, tmp_path: Path) -> None:
    """Ada and Bob are users already; of them, Bob was an administrator there."""
    source, groups = tmp_path / "values.yaml", tmp_path / "groups.py"
    source.write_text(Z2JH.replace("allowed_users: [bob]", "admin_users: [bob]"))
    before = users.read_people(site)
    refused = run(site, str(source), typed="n\n")
    assert refused.exit_code == 1
    assert refused.stdout.splitlines()[0] == f"4 users, 3 administrators and 2 groups in {source}"
    assert "  bob  admin" in refused.stdout
    assert run(site, str(source), "--dry-run", "--groups-to", str(groups)).exit_code == 0
    assert not groups.exists()
    assert users.read_people(site) == before
    added = run(site, str(source), "--yes", "--groups-to", str(groups))
    assert "added carl\nadded dan\nbob is an administrator now" in added.stdout
    assert users.read_people(site).users == {"ada", "bob", "carl", "dan"}
    assert users.read_people(site).admins == {"ada", "bob", "dan"}
    assert "c.JupyterHub.load_groups" in groups.read_text()
    again = run(site, str(source), "--yes", "--groups-to", str(groups))
    assert "already exists" in str(again.exception)


def test_a_bad_name_adds_no_user_unless_it_may_be_left_out(site: Site, tmp_path: Path) -> None:
    source = database(tmp_path / "jupyterhub.sqlite")
    before = users.read_people(site)
    refused = run(site, str(source), "--yes")
    assert isinstance(refused.exception, SettingsError)
    assert f"{source}, user 3: 'a/b'" in str(refused.exception)
    assert users.read_people(site) == before
    added = json.loads(run(site, str(source), "--yes", "--skip-refused", "--json").stdout)
    assert added["added"] == []
    assert users.read_people(site).users == {"ada", "bob"}
    nothing = tmp_path / "config.yaml"
    nothing.write_text("users: {banned: [eve]}\n")
    assert "no users were found" in str(run(site, str(nothing), "--yes").exception)
