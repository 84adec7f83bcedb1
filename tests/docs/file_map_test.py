"""The map of files says what is there."""

import importlib.util

import pytest

from tests.docs.commands import ROOT

_SPEC = importlib.util.spec_from_file_location(
  "file_map", ROOT / "docs" / "file_map.py"
)
file_map = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(file_map)


def test_the_map_is_not_stale():
  for page, text in file_map.pages().items():
    assert page.read_text() == text, f"{page.name}: run `make docs-map`"


@pytest.mark.parametrize("package", ["scenetok_jax", "data_pipelines"])
def test_every_module_says_what_it_is(package):
  files = sorted((ROOT / package).rglob("*.py"))
  code = [file for file in files if file.read_text().strip()]
  assert not [str(f) for f in code if not file_map.first_line(f)]


def test_every_room_is_on_the_map():
  rooms = {p.name for p in (ROOT / "scenetok_jax").iterdir() if p.is_dir()}
  links = {"configs", "checkpoints", "__pycache__"}
  assert rooms - links == {*file_map.LIBRARY, *file_map.JOBS}
