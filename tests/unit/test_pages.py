"""What is said beside the README names files, targets and variables that there are."""

import re

import pytest

from broker.config import variables
from tests.support.deployed import ROOT

PAGES = ("SECURITY.md", "deploy/kubernetes/README.md")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_what_there_is(page):
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    tests = re.findall(r"`(tests/[^`]+)`", text)
    assert links
    there = (ROOT / page).parent
    assert [link for link in links if not link.startswith("http") and not (there / link).exists()] == []
    assert [name for name in tests if not (ROOT / name).exists()] == []
    targets = re.findall(r"`make ([a-z]+)`", text)
    assert [t for t in targets if not re.search(rf"^{t}:", (ROOT / "Makefile").read_text(), re.MULTILINE)] == []
    assert set(re.findall(r"MISWEEPER_[A-Z_]+[A-Z]", text)) <= set(variables())
