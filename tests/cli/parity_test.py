"""`scenetok parity`: the reference cases hold, and a wrong number is seen."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from scenetok_jax import console
from scenetok_jax.cli import parity
from scenetok_jax.parity.case import Tolerance, compare, read_case
from scenetok_jax.parity.kinds import KINDS
from scenetok_jax.parity.run import run_case
from tests.goldens import SMALL, shared_dir

# Compile long, and tests/train and tests/metrics read them every time.
LONG = ("lpips_vgg", "train_stage1", "train_stage2", "wan_clip_lengths")
CASES = [
  pytest.param(
    path.parent,
    id=path.parent.name,
    marks=[pytest.mark.slow] * (path.parent.name in LONG),
  )
  for path in sorted(SMALL.glob("*/config.json"))
]


def run(*argv):
  return console.run(parity.main, [str(a) for a in argv], "parity")


@pytest.mark.parametrize("folder", CASES)
def test_a_stored_case_equals_the_reference(folder):
  if folder.name == "checkpoint_formats":
    pytest.importorskip("torch", reason="reads torch files: extra [convert]")
  rows = run_case(read_case(folder))
  assert rows
  assert not [f"{r.name}: {r.relative:.2g} {r.note}" for r in rows if not r.ok]


@pytest.mark.slow
def test_every_shared_case_equals_the_reference(tmp_path):
  report = tmp_path / "report.json"
  folder = shared_dir() / "goldens"
  assert run("--quiet", "--json", report, folder) == 0
  result = json.loads(report.read_text())
  assert result["failed"] == 0
  assert {case["kind"] for case in result["cases"]} == KINDS.keys()


def copy_case(name: str, tmp_path: Path) -> Path:
  return Path(shutil.copytree(SMALL / name, tmp_path / name))


def edit_outputs(folder: Path, **changes) -> None:
  with np.load(folder / "outputs.npz") as file:
    arrays = dict(file)
  np.savez(folder / "outputs.npz", **(arrays | changes))


def test_a_wrong_number_fails_and_is_named(tmp_path, capsys):
  folder = copy_case("geometry", tmp_path)
  with np.load(folder / "outputs.npz") as file:
    poses = file["reflected"] * (1 + 1e-4)
    chosen = file["fps_0"] + np.array([0, 0, 0, 1])
  edit_outputs(folder, reflected=poses, fps_0=chosen)
  report = tmp_path / "report.json"
  assert run(folder, "--json", report) == 1
  out = capsys.readouterr().out
  assert out.strip().endswith("outputs, 2 failed")
  failing = [line.split()[0] for line in out.splitlines() if "FAIL" in line]
  assert sorted(failing) == ["fps_0", "reflected"]
  result = json.loads(report.read_text())
  outputs = {o["name"]: o for o in result["cases"][0]["outputs"]}
  assert result["failed"] == 2 and not outputs["reflected"]["ok"]
  assert outputs["reflected"]["relative_error"] == pytest.approx(1e-4, rel=0.1)


def test_an_output_that_nothing_computes_fails(tmp_path, capsys):
  folder = copy_case("geometry", tmp_path)
  edit_outputs(folder, surprise=np.ones(2))
  assert run("--quiet", folder) == 1
  assert "not computed" in capsys.readouterr().out


def test_an_unknown_kind_is_an_error(tmp_path, capsys):
  folder = copy_case("geometry", tmp_path)
  (folder / "config.json").write_text('{"case": "telepathy"}')
  assert run(tmp_path) == 2
  error = capsys.readouterr().err.strip()
  assert "'telepathy' is of no known kind" in error and "\n" not in error


def test_a_case_that_cannot_run_does_not_hide_the_others(tmp_path, capsys):
  broken = copy_case("render_pipeline", tmp_path)
  (broken / "weights.safetensors").unlink()
  copy_case("samplers", tmp_path)
  assert run("--quiet", tmp_path) == 2
  out, error = capsys.readouterr()
  assert "weights.safetensors: cannot be read (No such file" in error
  assert re.search(r"samplers \(samplers\): \d+ outputs, 0 failed", out)


@pytest.mark.parametrize("path", ["absent", "empty"])
def test_a_folder_without_cases_is_refused(tmp_path, path, capsys):
  (tmp_path / "empty").mkdir()
  assert run(tmp_path / path) == 2
  assert str(tmp_path / path) in capsys.readouterr().err


def test_a_truncated_archive_is_refused(tmp_path, capsys):
  folder = copy_case("geometry", tmp_path)
  data = (folder / "inputs.npz").read_bytes()
  (folder / "inputs.npz").write_bytes(data[: len(data) // 2])
  assert run(folder) == 2
  assert "inputs.npz: not a whole archive" in capsys.readouterr().err


def test_tolerances_are_shares_of_the_largest_magnitude():
  reference = np.array([0.0, 100.0])
  near, far = np.array([4e-3, 100.0]), np.array([6e-3, 100.0])
  assert compare("x", near, reference, Tolerance(5e-5)).ok
  assert not compare("x", far, reference, Tolerance(5e-5)).ok
  assert compare("x", far, reference, Tolerance(5e-5, 2e-3)).ok


@pytest.mark.parametrize(
  "found, reference",
  [
    (np.array([1, 2]), np.array([1, 3])),
    (np.array([True]), np.array([False])),
    (np.array([np.nan]), np.array([1.0])),
    (np.zeros((2, 1)), np.zeros((1, 2))),
    ("a", np.array("b")),
  ],
)
def test_whole_numbers_shapes_and_text_must_be_equal(found, reference):
  assert not compare("x", found, reference, Tolerance(1.0, 1.0)).ok
