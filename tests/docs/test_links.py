"""Which links `make links` checks, and what it says about them. It is asked by no test what the internet answers."""

import pytest

from docs.site.links import Answer, all_links, is_real, links_in, report

LINKED = {"https://a.net/x": ["guide.md", "costs.md"], "https://b.net": ["index.md"]}


def test_links_are_found_in_markdown_and_not_in_code() -> None:
    text = """See [a](https://a.net/x#part), <https://b.net>, https://c.net/d. `https://e.net` [f](page.md)
```
curl https://g.net
```
[hub](https://hub.example.org) [i](http://127.0.0.1:8000) [j](http://hub.localhost:8000)
"""
    assert links_in(text) == {"https://a.net/x", "https://b.net", "https://c.net/d"}


@pytest.mark.parametrize(
    ("url", "real"),
    [
        ("https://docs.aws.amazon.com/x", True),
        ("https://example.organ.net", True),
        ("https://ada.hub.example.org", False),
        ("https://10.1.2.3/x", False),
        ("https://<domain>", False),
    ],
)
def test_examples_are_no_links(url: str, real: bool) -> None:
    assert is_real(url) is real


def test_the_pages_have_external_links() -> None:
    found = all_links()
    assert "costs.md" in found["https://aws.amazon.com/ebs/pricing/"]
    assert all(is_real(url) for url in found)


def test_only_a_page_that_does_not_exist_is_broken() -> None:
    found = [Answer("https://b.net", 403), Answer("https://a.net/x", 404), Answer("https://c.net", 200)]
    lines, code = report(found, LINKED)
    assert lines == [
        "broken: https://a.net/x (404) in guide.md, costs.md",
        "not checked: https://b.net (403)",
        "3 external links: 1 lead to a page, 1 are broken",
    ]
    assert code == 1
    lines, code = report([Answer("https://b.net", None, "Timeout"), Answer("https://a.net/x", 200)], LINKED)
    assert lines == [
        "not checked: https://b.net (Timeout)",
        "2 external links: 1 lead to a page, 0 are broken",
    ]
    assert code == 0


@pytest.mark.parametrize("status", [None, 404])
def test_without_the_internet_one_line_says_so(status: int | None) -> None:
    """A mirror of PyPI's packages answers for pypi.org, and has none of its pages."""
    lines, code = report(
        [Answer("https://b.net", None, "Timeout"), Answer("https://a.net/x", status)], LINKED
    )
    assert lines == [
        "no link was checked: none of 2 leads to a page, so there is no way to the internet here"
    ]
    assert code == 0
