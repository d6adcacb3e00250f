"""Sign-up codes: one for each name, easy to type and of use for nobody else."""

import re

import pytest

from hub.users.names import is_code_of, sign_up_code

CODE = sign_up_code("key", "spring", "ada")


def test_code_follows_from_key_cluster_and_name() -> None:
    assert re.fullmatch(r"([A-Z2-7]{4}-){3}[A-Z2-7]{4}", CODE)
    assert sign_up_code("key", "spring", "ada") == CODE
    others = {
        sign_up_code(*those)
        for those in (("k", "spring", "ada"), ("key", "s", "ada"), ("key", "spring", "李"))
    }
    assert len(others | {CODE}) == 4


@pytest.mark.parametrize("told", [CODE, CODE.lower(), CODE.replace("-", ""), f"  {CODE.replace('-', ' ')} "])
def test_code_may_be_typed_in_any_way(told: str) -> None:
    assert is_code_of(told, "key", "spring", "ada")
    assert not is_code_of(told, "key", "spring", "bob")


@pytest.mark.parametrize("told", ["", "-", CODE[:-1], CODE + "A", "\ud800", "ä" * 16])
def test_anything_else_is_no_code(told: str) -> None:
    assert not is_code_of(told, "key", "spring", "ada")
