"""Lists of users in the shapes in which they come: what is read, what is refused, and by which line."""

from pathlib import Path

import pytest

from hub.errors import SettingsError
from hub.users.lists import from_file, listed
from hub.users.names import People
from hub.users.tables import LARGEST, MOST_LINES

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Homework 1 (90211),Final Points\r
,,,,,Manual Posting,\r
    Points Possible,,,,,20,(read only)\r
"Abara, Chidi",70011,S-40021,cabara3,"PHYS 21 Lec 001",18,\r
"Muñoz Peña, José",70013,S-40023,jmunozp,"PHYS 21 Lec 001 and PHYS 21 Lab 2",,\r
"Student, Test",70999,,7c1f0e4ab0,"PHYS 21 Lec 001",,\r
"""
MOODLE = """Vorname;Nachname;Matrikelnummer;E-Mail-Adresse;Rolle\r
Jörg;Weiß;2023004711;joerg.weiss@uni.example;Teilnehmer/in\r
Petra;Groß;P1234;petra.gross@uni.example;Dozent/in\r
"""
BLACKBOARD = '"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Last Access"\n' + (
    '"Tanaka"\t"Rei"\t"rtanaka"\t"0045"\t"2026-09-02 10:11:12"\n"Silva"\t"Ana"\t"asilva2"\t"0046"\t""\n'
)
BRIGHTSPACE = (
    "OrgDefinedId,Username,Email,End-of-Line Indicator\n#1,#ada,ada@x.example,#\n#2,#bob,b@x.example,#\n"
)


def users(text: str | bytes, column: str = "") -> dict[str, bool]:
    return dict(listed(text if isinstance(text, bytes) else text.encode(), "class.csv", column).users)


def names(text: str | bytes, column: str = "") -> list[str]:
    return list(users(text, column))


def why(text: str | bytes, column: str = "") -> str:
    with pytest.raises(SettingsError) as refused:
        users(text, column)
    return str(refused.value)


def test_a_name_on_each_line() -> None:
    text = "# class of 2026\n\nAda  # tutor\n bob the builder\nboss admin\ncarol Admin\r\ndan\tadmin\n"
    expected = {"ada": False, "bob the builder": False, "boss": True, "carol": True, "dan": True}
    assert users(text) == expected


@pytest.mark.parametrize(
    "text", ["ada,admin\nbob,\ncarol,user\n", "ada;admin\nbob\ncarol;\n", "ada admin\nbob\ncarol"]
)
def test_names_and_roles(text: str) -> None:
    assert users(text) == {"ada": True, "bob": False, "carol": False}


@pytest.mark.parametrize("text", ["name,admin\nada,yes\nbob,\n", "username;role\nada;admin\nbob;student\n"])
def test_roles_below_a_heading(text: str) -> None:
    assert users(text) == {"ada": True, "bob": False}


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n"])
def test_an_empty_list(text: str) -> None:
    assert users(text) == {}


def test_canvas() -> None:
    found = listed(b"\xef\xbb\xbf" + CANVAS.encode(), "class.csv")
    assert list(found.users) == ["cabara3", "jmunozp"]
    assert found.notes == (
        'the user names are those in the column "SIS Login ID"',
        "line 2 is left out: Manual Posting",
        "line 3 is left out: Points Possible",
        "line 6 is left out: Student, Test",
    )
    assert names(CANVAS, "sis user id") == ["s-40021", "s-40023"]


def test_moodle_needs_a_column() -> None:
    assert '"E-Mail-Adresse", "Matrikelnummer": choose one' in why(MOODLE)
    assert users(MOODLE, "email") == {"joerg.weiss@uni.example": False, "petra.gross@uni.example": False}
    assert names(MOODLE, "Matrikelnummer") == ["2023004711", "p1234"]
    assert "no column 'login': the columns are \"Vorname\"" in why(MOODLE, "login")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_blackboard_in_any_unicode(encoding: str) -> None:
    assert names(BLACKBOARD.encode(encoding)) == ["rtanaka", "asilva2"]


def test_brightspace_marks_each_value() -> None:
    assert names(BRIGHTSPACE, "username") == ["ada", "bob"]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nusername;name\nada;Ada, Countess\n",
        "username\r\nada\r\n\r\n",
        "username\rada\r",
        "  username , name \n  ada , Ada\n,\n",
        '"username","name"\n"ada","Ada ""the first"" Lovelace"\n',
        'name;username\n"Lovelace\nAda";ada\n',
        'username\n="ada"\n',
        "username,grade\n# the first\nada,1\n",
        'First name,"User name"\nAda,ada\n',
        '"ada"\n',
        "Matrikelnummer\nada\n",
        "username|name\nada|Ada, Countess\n",
    ],
)
def test_shapes_with_one_user(text: str) -> None:
    assert names(text) == ["ada"]


def test_a_bar_without_headings_is_part_of_a_name() -> None:
    assert names("auth0|66c9\nauth0|66ca\n") == ["auth0|66c9", "auth0|66ca"]


def test_student_numbers_stay_as_they_are() -> None:
    assert names("20231234\n00451201\nM1234567\n") == ["20231234", "00451201", "m1234567"]


def test_windows_1252_outside_the_names_does_no_harm() -> None:
    assert names(MOODLE.encode("cp1252"), "email") == ["joerg.weiss@uni.example", "petra.gross@uni.example"]


def test_a_name_in_windows_1252_is_refused_with_the_way_out() -> None:
    said = why("ada\nJörg\n".encode("cp1252"))
    assert said.startswith(
        "class.csv, line 2: not UTF-8 (as Windows-1252 it reads 'Jörg'; save the file as UTF-8"
    )
    assert "iconv" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada\n../bob\n", r"class.csv, line 2: '../bob': A user name cannot contain the character /: correct it"),
        ("ada\nlovelace, ada\n", "line 2: 2 columns and no headings"),
        ("ada, bob, carol\n", "line 1: 3 columns and no headings"),
        ("ada,Ada Lovelace,ada@x.example\n", "line 1: 3 columns and no headings"),
        ("username,name\nada,Ada\n,Bob\n", 'line 3: nothing below "username"'),
        ("username,name\nlovelace, ada,Ada\n", "line 2: more cells than headings"),
        ("username,name\n", "line 1: there are headings only"),
        ("Username\n", "line 1: there are headings only"),
        ("username,email\nada,a@x.example\n", '"username", "email": choose one with'),
        ("Student,ID\nAda,7\n", '"ID", "Student": choose one with'),
        ("Name;Vorname\nLovelace;Ada\n", "line 1: no heading is known as that of user names"),
        ("username,username\na,b\n", "columns, \"username\", \"username\": choose"),
        ("username,admin\nada,perhaps\n", "line 2: 'perhaps' below 'admin' is neither yes nor no"),
        ("student\nada\n", "line 1: 'student' could be a user or a heading"),
        ('username,name\nada,"Ada\nbob,Bob\n', "line 2: it is not CSV"),
        ("ada\nAda admin\n", "line 2: ada is in line 1 too, with another role"),
        ("\u200bbob\n", "line 1: '\\u200bbob': This user name contains an invisible"),
        ("“dan”\n", "line 1: '“dan”' has quotation marks around it"),
        ("’eve\n", "has quotation marks"),
        ("'eve'\n", "has quotation marks"),
        ("- ada\n", "begins with the mark of a list"),
        ("1. ada\n", "begins with the mark of a list"),
                ("Matrikelnummer;Nachname\n2,02312E+11;Ada\n", "a number that a spreadsheet has shortened"),
        ("2.02312E+11\n", "a number that a spreadsheet has shortened"),
        ("a/b\nc/d\ne/f\ng/h\ni/j\n", "; and 2 more"),
        ("<html><table>", "class.csv: it is a web page or XML: export"),
        ('{"users": []}', "it is JSON"),
        (b"PK\x03\x04\x14\0", "class.csv: it is an Excel workbook: save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook"),
        (b"%PDF-1.7", "it is a PDF"),
        (b"ada\n\0\0\0", "it is not a text"),
        (b"\xff\xfea", "it begins like UTF-16, but is not"),
        ("a\n" * (MOST_LINES + 1), f"more than {MOST_LINES} lines"),
        ("a" * (LARGEST + 1), "larger than 4 MB"),
        ("a" * 200_000, "line 1: longer than 100000 characters"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str | bytes, expected: str) -> None:
    assert expected in why(text)


def test_a_column_that_several_could_be() -> None:
    text = "e-mail,email,name\na@x.example,b@x.example,Ada\n"
    assert "several columns could be 'mail'" in why(text, "mail")


def test_the_mark_of_the_earlier_cloudjhub_is_left_out() -> None:
    found = listed(b"ada admin\n__tokengeneratoradmin admin\n bob2\n", "userlist")
    assert found.people == People(frozenset({"ada", "bob2"}), frozenset({"ada"}))
    assert found.notes[0].startswith("line 2 is left out")


def test_a_user_who_is_there_twice_is_noted() -> None:
    found = listed(b"ada\nbob\nADA\n", "class.txt")
    assert (list(found.users), found.notes) == (["ada", "bob"], ("in the list twice: ada (lines 1 and 3)",))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        from_file(tmp_path)
    (tmp_path / "users").write_text("ada\n../bob\n")
    with pytest.raises(SettingsError, match="users, line 2: "):
        from_file(tmp_path / "users")
