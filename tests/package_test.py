"""The wheel works in an empty folder, without a clone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]


def _pip(*arguments):
  done = subprocess.run(
    [sys.executable, "-m", "pip", "-q", *arguments],
    capture_output=True, text=True,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
  """Built from what git tracks: build leftovers of a checkout stay out."""
  source = tmp_path_factory.mktemp("source")
  files = subprocess.run(
    ["git", "ls-files", "-z"], cwd=_ROOT, check=True, capture_output=True
  ).stdout.split(b"\0")
  for name in map(os.fsdecode, filter(None, files)):
    path = source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if (_ROOT / name).is_symlink():
      path.symlink_to(os.readlink(_ROOT / name))
    elif (_ROOT / name).is_file():
      path.write_bytes((_ROOT / name).read_bytes())
  out = tmp_path_factory.mktemp("wheel")
  _pip("wheel", "--no-deps", "--no-build-isolation", "-w", out, source)
  (found,) = out.glob("*.whl")
  return found


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
  """Runs Python in an empty folder that sees the installed wheel alone."""
  target = tmp_path_factory.mktemp("installed")
  _pip("install", "--no-deps", "--target", target, wheel)
  empty = tmp_path_factory.mktemp("empty")

  def call(*arguments):
    return subprocess.run(
      [sys.executable, *arguments],
      cwd=empty, capture_output=True, text=True, timeout=600,
      env={**os.environ, "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": str(target)},
    )  # fmt: skip

  return call


def test_only_our_own_names_are_taken(wheel):
  names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
  names = {name for name in names if not name.endswith(".dist-info")}
  assert names == {"scenetok_jax", "data_pipelines"}


def test_the_library_opens_the_shipped_checkpoints(run):
  done = run(
    "-c",
    "import scenetok_jax; from scenetok_jax import SceneTok;"
    "print(scenetok_jax.__file__, SceneTok.from_pretrained('rooms').step,"
    "SceneTok.from_pretrained('rooms_generator').step)",
  )
  assert done.returncode == 0, done.stderr
  assert "installed" in done.stdout
  assert done.stdout.split()[-2:] == ["8800", "6000"]


def test_the_papers_numbers_and_the_templates_of_pages_are_there(run):
  done = run(
    "-c",
    "from pathlib import Path;"
    "from scenetok_jax.evaluation import html, paper, quickstart;"
    "quickstart.write_page(Path('index.html'), 'table', Path());"
    "print(len(paper.TABLES), html.page([], 0).count('<h1>'));"
    "from scenetok_jax.train.runs_page import page;"
    "from scenetok_jax.sharing import card;"
    "print(page([], []).count('<h1>'), Path(card.__file__)"
    ".with_name('card.md').is_file())",
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout.split() == ["5", "1", "1", "True"]


@pytest.fixture(scope="module")
def data(run):
  made = run(
    "-m", "scenetok_jax.cli.prepare", "--dataset=rooms", "--scenes=2",
    "--frames=24", "--workers=0", "--out=data",
  )  # fmt: skip
  assert made.returncode == 0, made.stderr
  return "--config.data.path=data"


def train(run, *options):
  done = run(
    "-m", "scenetok_jax.cli.train", "--config=quickstart:smoke",
    "--workdir=run", "--config.train.eval_every=0", *options,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  return done.stdout


def test_a_built_in_configuration_is_found_by_name(run, data):
  assert "a batch was read" in train(run, data, "--dry-run")


@pytest.mark.slow
def test_a_built_in_configuration_trains(run, data):
  assert "step 2/2" in train(run, data)


@pytest.mark.slow
def test_the_quickstart_runs(run):
  done = run("-m", "scenetok_jax.cli.quickstart", "--smoke", "--out=report")
  assert done.returncode == 0, done.stderr
  assert "Pictures are in report/" in done.stdout
