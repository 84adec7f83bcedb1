"""`scenetok train` refuses bad input in one line, and overwrites nothing."""

import shutil
from pathlib import Path

import jax.numpy as jnp
import pytest

from data_pipelines.storage import builders
from scenetok_jax import console
from scenetok_jax.cli import train
from scenetok_jax.model import build
from scenetok_jax.train.experiment import open_data
from scenetok_jax.workdir.checkpoint import save_params
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.lock import LOCK_FILE, lock
from scenetok_jax.workdir.stored_config import store_config
from tests.data_pipelines import clips

ROOMS = "configs/rooms.py:smoke"
STAGE2 = "configs/rooms.py:generator,smoke"


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
  monkeypatch.chdir(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  """Four scenes of 20 frames of 64 x 64 pixels."""
  folder = tmp_path_factory.mktemp("data")
  builders.build(folder, clips.plan(scenes=4, frames=20, size=64))
  return folder


def files(folder):
  """Contents of all files below a folder; a live lease's changes."""
  return {
    str(path.relative_to(folder)): path.name == LOCK_FILE or path.read_bytes()
    for path in Path(folder).rglob("*")
    if path.is_file()
  }


def refusal(capsys, workdir, *overrides, config=ROOMS, dry=True):
  """The one line that a refused run prints; its workdir stays as it was.

  A dry run of the same finds the same.
  """
  before = files(workdir)
  arguments = [f"--config={config}", f"--workdir={workdir}"]
  arguments += map(str, overrides)
  code = console.run(train.main, arguments, "train")
  out, err = capsys.readouterr()
  assert code == 2 and not out
  assert err.startswith("scenetok train: error: ") and err.count("\n") == 1
  assert files(workdir) == before
  if not dry:
    return err
  assert console.run(train.main, [*arguments, "--dry-run"], "train") == 2
  assert capsys.readouterr().err == err and files(workdir) == before
  return err


QUIET = "--config.train.eval_every=0"


@pytest.mark.parametrize(
  "override, parts",
  [
    ("--config.train.total_step=3", ("rooms.py", "total_step", "total_steps?")),
    ("--config.seed=x", ("rooms.py", "seed", "expected int")),
    ("--config.train.total_steps=1.5", ("total_steps", "expected int")),
    ("--config.data.path=/no/such", ("/no/such", "data.path", "prepare")),
    ("--config.data.path=", ("data.path", "not set", "prepare")),
    ("--config.data.split=test", ("data.split", "test")),
    ("--config.data.num_context=30", ("s0", "num_context", "20", "lower")),
    ("--config.data.num_targets=24", ("s0", "num_targets", "lower")),
    ("--config.data.batch_size=6", ("batch_size", "6", "multiple")),
    ("--config.data.view_sampler.chunks=4", ("view_sampler.chunks", "change")),
    ("--config.dtype=float8", ("config.dtype", "float8", "bfloat16")),
    ("--config.remat=some", ("config.remat", "some", "none")),
    ("--config.attention=cuddn", ("config.attention", "cuddn", "xla", "cudnn")),
    ("--config.attention=cudnn", ("attention", "--config.dtype=bfloat16")),
    ("--config.attention=splash:9", ("attention", "splash:9", "multiples")),
    ("--config.mesh.data=3", ("mesh", "8 devices")),
    (
      "--config.optimizer.skip=maybe",
      ("optimizer.skip", "maybe", "zero, freeze"),
    ),
    ("--config.restore=/no/run", ("/no/run", "checkpoint")),
    ("--config.codecs.target.name=jpeg", ("codecs", "jpeg", "block_dct")),
    ("--bogus=1", ("--bogus=1", "unknown option")),
  ],
)
def test_a_wrong_setting_is_one_line(tmp_path, data, capsys, override, parts):
  settings = (f"--config.data.path={data}", QUIET, override)
  message = refusal(capsys, tmp_path / "run", *settings)
  for part in parts:
    assert part in message


@pytest.mark.parametrize(
  "config, parts",
  [
    ("configs/room.py:smoke", ("room.py", "did you mean", "rooms.py")),
    ("configs/rooms.py:smokey", ("rooms.py", "smokey", "smoke")),
  ],
)
def test_a_wrong_config_file_is_one_line(tmp_path, capsys, config, parts):
  message = refusal(capsys, tmp_path / "run", config=config)
  for part in parts:
    assert part in message


def test_frames_of_another_size_are_one_line(tmp_path, capsys):
  builders.build(tmp_path / "small", clips.plan(scenes=1, size=32))
  capsys.readouterr()  # its progress
  path = f"--config.data.path={tmp_path / 'small'}"
  message = refusal(capsys, tmp_path / "run", QUIET, path)
  for part in ("s0", "data.image_size", "32x32", "--size=64"):
    assert part in message


def test_a_refused_setting_can_be_corrected_in_the_same_workdir(
  tmp_path, data, capsys
):
  refusal(capsys, tmp_path, QUIET, "--config.data.path=/no/such")
  assert "config.json" not in files(tmp_path)
  message = refusal(
    capsys, tmp_path, QUIET, f"--config.data.path={data}",
    "--config.data.batch_size=6",
  )  # fmt: skip
  assert "batch_size" in message, "not the old path"
  assert "config.json" not in files(tmp_path)


def made_by(workdir, data, *overrides, config=ROOMS):
  """A workdir as a run with these settings leaves it at its start."""
  settings = [f"--config.data.path={data}", *overrides]
  loaded = load_config(config, settings)
  store_config(workdir, loaded.to_dict())
  return loaded


def test_data_may_move_but_not_become_others(tmp_path, data, capsys):
  config = made_by(tmp_path / "run", data)
  identity = open_data(config, build(config)).identity
  made = config.to_dict() | {"identity": {"data": identity}}
  store_config(tmp_path / "run", made)
  shutil.copytree(data, tmp_path / "copy")
  capsys.readouterr()
  moved = f"--config.data.path={tmp_path / 'copy'}"
  flags = [f"--config={ROOMS}", f"--workdir={tmp_path / 'run'}", QUIET, moved]
  assert console.run(train.main, [*flags, "--dry-run"], "train") == 0
  shutil.rmtree(tmp_path / "copy")
  # Of the same names and sizes.
  plan = clips.plan(scenes=4, frames=20, size=64, image_format="jpeg")
  builders.build(tmp_path / "copy", plan)
  capsys.readouterr()
  message = refusal(capsys, tmp_path / "run", QUIET, moved)
  for part in (str(tmp_path / "run"), "field identity.data is frames"):
    assert part in message


def test_another_configs_workdir_is_refused(tmp_path, data, capsys):
  made_by(tmp_path, data, "--config.seed=1")
  message = refusal(
    capsys, tmp_path, QUIET, f"--config.data.path={data}", "--config.seed=2"
  )
  for part in (str(tmp_path), "field seed is 1 there, 2 here", "--workdir"):
    assert part in message


def test_another_configs_checkpoint_is_refused_by_shape(tmp_path, data, capsys):
  config = made_by(tmp_path, data)
  params = {"decoder": {"null_tokens": jnp.zeros((1, 32))}}
  save_params(tmp_path / "other", params, config.to_dict())
  message = refusal(
    capsys, tmp_path / "run", QUIET, f"--config.data.path={data}",
    f"--config.restore={tmp_path / 'other'}",
  )  # fmt: skip
  for part in (str(tmp_path / "other"), " missing (", "use the config"):
    assert part in message


def test_a_second_run_in_the_same_workdir_is_refused(tmp_path, data, capsys):
  with lock(tmp_path):
    message = refusal(capsys, tmp_path, QUIET, f"--config.data.path={data}")
  for part in ("run.lock", "in use by process", "another --workdir"):
    assert part in message


def test_a_workdir_that_is_a_file_is_refused(tmp_path, data, capsys):
  (tmp_path / "file").write_text("mine")
  message = refusal(
    capsys, tmp_path / "file", QUIET, f"--config.data.path={data}"
  )
  assert "cannot be made" in message and "choose another" in message
  assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
  "stage1, parts",
  [
    (None, ("tokenizer_from", "stage-1 workdir", "--config.tokenizer_from")),
    ([], ("no complete checkpoint", "train first")),
    (["--config.tokenizer.width=64"], ("tokenizer.width: 32 here", "64 in")),
    (
      ["--config.codecs.target.channels=24"],
      ("codecs.target.channels", "24 in", "use the stage-1"),
    ),
  ],
)
def test_stage_two_needs_its_own_stage_one(
  tmp_path, data, capsys, stage1, parts
):
  settings = [f"--config.data.path={data}", QUIET]
  if stage1 is not None:
    made_by(tmp_path / "one", data, *stage1)
    settings.append(f"--config.tokenizer_from={tmp_path / 'one'}")
  message = refusal(capsys, tmp_path / "two", *settings, config=STAGE2)
  for part in parts:
    assert part in message


def test_stage_two_names_a_missing_stage_one(tmp_path, data, capsys):
  message = refusal(
    capsys, tmp_path / "two", QUIET, f"--config.data.path={data}",
    f"--config.tokenizer_from={tmp_path / 'none'}", config=STAGE2,
  )  # fmt: skip
  for part in (str(tmp_path / "none"), "not found", "workdir"):
    assert part in message
