"""Hostile files of every format: a reader takes them or says why not.

Each outcome is success or one InputError, in time and memory, and nothing
outside the sample is touched. `make fuzz` tries many, `make test` a few; the
seeds are fixed.
"""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenetok_jax.reading.shown import escaped, shortened
from scenetok_jax.types import InputError
from tests.fuzz.formats import FORMATS
from tests.fuzz.limits import check_line, fuzz, limited, tree

pytestmark = pytest.mark.fuzz


def _restore(good, folder):
  """What reading may have changed, as it was."""
  shutil.rmtree(folder)
  shutil.copytree(good, folder)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.file.title)
def test_hostile_files(form, filled, tmp_path):
  good, folder = filled(form.file.fill), tmp_path / "sample"
  shutil.copytree(good, folder)
  (tmp_path / "near").mkdir()
  (tmp_path / "near/secret.txt").write_text("the user's")
  file = min(folder.glob(form.file.name))
  data = file.read_bytes()
  form.read(folder)  # a valid file is taken

  @fuzz(form.cost)
  @given(st.data())
  def hostile(drawn):
    if form.own:
      _restore(good, folder)
    file.write_bytes(drawn.draw(form.file.mutate(data)))
    before = tree(tmp_path / "near" if form.own else tmp_path)
    told = None
    with limited():
      try:
        form.read(folder)
      except InputError as error:
        told = str(error)
    assert tree(tmp_path / "near" if form.own else tmp_path) == before
    if told is not None:
      check_line(shortened(escaped(" ".join(told.split())), 4000))

  hostile()
