"""Pages are short, and their links arrive."""

import re
from pathlib import Path

import pytest

from tests.docs.commands import PAGES, ROOT

_MOST_LINES = 300
_name = dict(ids=lambda page: str(page.relative_to(ROOT)))
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
_FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def _anchors(page: Path) -> set[str]:
  """Where the headings of a page are linked to."""
  titles = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text()), re.M)
  kept = (re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles)
  return {re.sub(r"\s+", "-", title) for title in kept}


@pytest.mark.parametrize("page", PAGES[2:], **_name)
def test_a_page_has_at_most_300_lines(page):
  assert len(page.read_text().splitlines()) <= _MOST_LINES


@pytest.mark.parametrize("page", PAGES, **_name)
def test_links_arrive(page):
  for path, anchor in _LINK.findall(_FENCE.sub("", page.read_text())):
    target = page.parent / path if path else page
    assert target.exists(), f"{path} is not there"
    if anchor:
      assert anchor in _anchors(target), f"{path}#{anchor} is not there"
