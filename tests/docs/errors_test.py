"""The lists of errors are those of the code, and leave none out."""

import importlib.util

from tests.docs.commands import ROOT

_SPEC = importlib.util.spec_from_file_location(
  "errors", ROOT / "docs" / "errors.py"
)
errors = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(errors)


def test_the_lists_are_not_stale():
  for page, text in errors.pages().items():
    assert page.read_text() == text, f"{page.name}: run `make docs-map`"


def test_every_error_is_on_a_page():
  text = "".join(page.read_text() for page in errors.pages())
  found = [
    error
    for package in ("scenetok_jax", "data_pipelines")
    for file in (ROOT / package).rglob("*.py")
    for error in errors.told(file)
  ]
  assert len(found) > 400
  assert not [e for e in found if errors.row(e) not in text]


def test_a_message_is_told_in_words(tmp_path):
  (tmp_path / "m.py").write_text(
    "_AGAIN = 'make it again'\n"
    "def read(path, found):\n"
    "  if not found:\n"
    "    raise InputError(f'{self.path}: {len(found)} scenes; {_AGAIN}')\n"
    "  raise InputError(f'{path}: {error}')\n"
  )
  assert list(errors.told(tmp_path / "m.py")) == [
    ("PATH: N scenes", "make it again")
  ]
