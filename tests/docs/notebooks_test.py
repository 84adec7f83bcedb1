"""Each notebook runs from its first cell to its last, as a plain script."""

import os
import re
import subprocess
import sys

import pytest

from scenetok_jax import media
from tests.docs.commands import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
PAGE = (ROOT / "docs" / "notebooks.md").read_text()

each = pytest.mark.parametrize(
  "notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem
)


@each
def test_cells_are_marked_and_the_page_names_it(notebook):
  text = notebook.read_text()
  assert len(re.findall(r"^# %%", text, re.M)) > 6
  assert "colab.research.google.com" in text
  assert f"`{notebook.name}`" in PAGE


@pytest.mark.slow
@each
def test_a_notebook_runs(notebook, tmp_path):
  done = subprocess.run(
    [sys.executable, str(notebook)],
    cwd=tmp_path, capture_output=True, text=True,
    env=os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"},
  )  # fmt: skip
  assert done.returncode == 0, done.stderr[-3000:]
  pictures = [
    path
    for path in (tmp_path / notebook.stem).rglob("*.png")
    if "captures" not in path.parts and "capture" not in path.parts
  ]
  assert pictures
  assert all(media.read_image(path).std() > 5 for path in pictures)
