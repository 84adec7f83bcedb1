"""The examples of docs/python.md and docs/index.md run as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def _run(name, tmp_path, monkeypatch):
  """What the only example of a page leaves behind."""
  page = (ROOT / "docs" / name).read_text()
  (example,) = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
  assert example.count("\n") <= 12
  (tmp_path / "checkpoints").symlink_to(ROOT / "checkpoints")
  monkeypatch.chdir(tmp_path)
  names = {}
  exec(compile(example, f"docs/{name}", "exec"), names)
  assert (tmp_path / "room.tok").is_file()
  return names


def test_the_example_runs_as_it_stands(tmp_path, monkeypatch):
  names = _run("python.md", tmp_path, monkeypatch)
  assert names["video"].dtype == np.uint8
  assert names["video"].shape == (48, 64, 64, 3)


@pytest.mark.slow
def test_the_ten_lines_of_the_first_page_run(tmp_path, monkeypatch):
  _run("index.md", tmp_path, monkeypatch)
  assert (tmp_path / "room.mp4").stat().st_size > 1000
