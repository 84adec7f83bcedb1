"""`scenetok runs`: one page of several runs, however damaged some are."""

import base64
import io
import json
import re

import pytest
from PIL import Image

from scenetok_jax.cli import main as scenetok
from scenetok_jax.configs import rooms
from scenetok_jax.train.runs import differences, finals, read_runs
from scenetok_jax.workdir.stored_config import store_config


def write(folder, scale=1.0, steps=60, **fields):
  """A workdir as a training leaves it: rows of every second step."""
  config = rooms.get_config("smoke")
  config.update_from_flattened_dict(fields)
  store_config(folder, config.to_dict())
  rows = [
    {"step": n, "loss": scale / n, "examples_per_second": 10.0 * scale}
    for n in range(2, steps + 1, 2)
  ]
  lines = "".join(json.dumps(row) + "\n" for row in rows)
  (folder / "metrics.jsonl").write_text(lines)
  (folder / "eval.jsonl").write_text(
    '{"step": 30, "psnr": 15.0}\n'
    + json.dumps({"step": steps, "psnr": 16.0 * scale, "kind": "x"})
  )
  return folder


@pytest.fixture
def two(tmp_path):
  first = write(tmp_path / "_a$b<i>", seed=3)
  return [first, write(tmp_path / "b", 2.0, 40, **{"decoder.depth": 9})]


def run(*words):
  return scenetok.main(["runs", *map(str, words)])


def test_the_page_compares_curves_values_and_fields(two, tmp_path, capsys):
  out, told = tmp_path / "runs.html", tmp_path / "runs.json"
  assert run(*two, f"--out={out}", f"--json={told}") == 0
  printed = capsys.readouterr()
  assert printed.err == "" and "b: step 40  loss 0.066877" in printed.out
  page = out.read_text()
  # Nothing is loaded from anywhere, and no name is markup.
  assert "http" not in page and "_a$b<i>" not in page
  assert "1: _a$b&lt;i&gt;" in page and "60 of" in page
  assert set(re.findall(r'src="(.{15})', page)) == {"data:image/png;"}
  titles = re.findall(r"<figcaption>(.*)</figcaption>", page)
  assert titles == ["loss", "psnr", "examples_per_second"]
  for data in re.findall(r'base64,([^"]*)"', page):
    colours = Image.open(io.BytesIO(base64.b64decode(data))).getcolors(1 << 20)
    # A line of each run.
    assert {(31, 119, 180), (255, 127, 14)} <= {c[:3] for _, c in colours}
  found = json.loads(told.read_text())
  assert found["runs"]["b"]["psnr"] == 32.0
  assert found["differences"] == {
    "decoder.depth": [str(rooms.get_config("smoke").decoder.depth), "9"],
    "seed": ["3", "0"],
  }


def test_final_values_are_of_the_last_rows(two):
  runs, problems = read_runs([str(two[0])])
  assert not problems and not differences(runs)
  want = sum(1 / n for n in range(42, 61, 2)) / 10
  assert finals(runs[0]) == {
    "loss": pytest.approx(want), "examples_per_second": 10.0, "psnr": 16.0
  }  # fmt: skip


def test_runs_of_one_name_are_told_apart(tmp_path):
  places = [write(tmp_path / x / "run") for x in "ab"]
  runs, _ = read_runs([f"{place}/" for place in places])
  assert [r.name for r in runs] == [f"{place}/" for place in places]


@pytest.mark.parametrize(
  ("name", "data", "told"),
  [
    ("metrics.jsonl", None, "metrics.jsonl: not there, or empty; give"),
    ("metrics.jsonl", b"", "metrics.jsonl: not there, or empty; give"),
    ("metrics.jsonl", b"\xff\n{}\n", "2 of 2 rows are damaged; give"),
    ("config.json", None, "config.json: not found ("),
    ("config.json", b"[", "config.json: not valid JSON"),
  ],
)
def test_a_run_that_cannot_be_read_is_one_line(
  two, tmp_path, capsys, name, data, told
):
  file = two[1] / name
  file.unlink() if data is None else file.write_bytes(data)
  out = tmp_path / "runs.html"
  assert run(two[1], f"--out={out}") == 2
  error = capsys.readouterr().err
  assert told in error and str(file) in error and error.count("\n") == 1
  assert not out.exists()
  assert run(*two, f"--out={out}") == 0
  error = capsys.readouterr().err
  assert told in error and error.count("\n") == 1
  assert f'class="problem">{two[1]}' in out.read_text()


def test_rows_that_are_damaged_are_counted(two, tmp_path):
  with open(two[1] / "metrics.jsonl", "a") as file:
    file.write('{"step": 41, "loss": "nan"}\n{"step": -1, "loss": 1.0}\n')
    file.write('{"step": 42, "loss": 1e300}\n{"step": 44, "lo')
  out = tmp_path / "runs.html"
  assert run(*two, f"--out={out}") == 0
  page = out.read_text()
  assert "metrics.jsonl: 2 of 24 rows are damaged" in page


def test_the_page_is_not_written_into_a_run(two, capsys):
  assert run(two[0], f"--out={two[0] / 'metrics.jsonl'}") == 2
  assert "is, holds or lies in" in capsys.readouterr().err
