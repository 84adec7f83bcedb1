"""Hostile files of every format: a reader takes them or says why not.

Each outcome is success or one InputError, in time and memory, and nothing
outside the sample is touched. `make fuzz` tries many, `make test` a few; the
seeds are fixed.
"""

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenetok_jax.reading.shown import escaped, shortened
from scenetok_jax.types import InputError
from tests.fuzz.formats import FORMATS
from tests.fuzz.limits import check_line, limited, tree

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))
FUZZ = settings(
  max_examples=EXAMPLES,
  derandomize=True,
  deadline=None,  # limits.SECONDS, where only the reader counts
  database=None,
  suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.fuzz


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
  """fill -> a folder that it has filled, made once and left unchanged."""
  root = tmp_path_factory.mktemp("samples")
  made = {}

  def sample(fill):
    if fill not in made:
      made[fill] = root / fill.__name__
      made[fill].mkdir()
      fill(made[fill])
    return made[fill]

  return sample


def _restore(good, folder):
  """What reading may have changed, as it was."""
  shutil.rmtree(folder)
  shutil.copytree(good, folder)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.title)
def test_hostile_files(form, samples, tmp_path):
  good, folder = samples(form.fill), tmp_path / "sample"
  shutil.copytree(good, folder)
  (tmp_path / "near").mkdir()
  (tmp_path / "near/secret.txt").write_text("the user's")
  file = min(folder.glob(form.name))
  data = file.read_bytes()
  form.read(folder)  # a valid file is taken

  @FUZZ
  @given(st.data())
  def hostile(drawn):
    if form.own:
      _restore(good, folder)
    file.write_bytes(drawn.draw(form.mutate(data)))
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
