"""`scenetok latents`: a frozen codec over frames, then training on latents."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipelines.latents.records import LatentDataset
from data_pipelines.storage import builders
from scenetok_jax import console
from scenetok_jax.cli import latents, train
from scenetok_jax.model import build
from scenetok_jax.train.experiment import make_task, open_data
from scenetok_jax.workdir.config import load_config
from tests import networks
from tests.data_pipelines import clips

ROOT = Path(__file__).parents[2]
CONFIG = "configs/rooms.py:smoke"


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
  monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
  """Four scenes of 12 to 15 frames of 64 x 64 pixels."""
  folder = tmp_path_factory.mktemp("frames")
  builders.build(folder, clips.plan(scenes=4, frames=12, size=64))
  return folder


@pytest.fixture(scope="module")
def stored(frames, tmp_path_factory):
  """Their latents, by the command."""
  folder = tmp_path_factory.mktemp("latents")
  with pytest.MonkeyPatch.context() as patch:
    patch.chdir(ROOT)
    assert not latents.main(_arguments(frames, folder))
  return folder


def _arguments(frames, out, *more):
  return [
    f"--config={CONFIG}", f"--data={frames}", f"--out={out}", "--mean", *more,
  ]  # fmt: skip


def _run(capsys, *argv):
  """(exit code, stdout, stderr) of `scenetok latents ARGV`."""
  code = console.run(latents.main, [str(a) for a in argv], "latents")
  captured = capsys.readouterr()
  return code, captured.out, captured.err


def test_the_report_says_what_was_written_and_again_nothing(
  frames, stored, tmp_path, capsys
):
  report = tmp_path / "report.json"
  again = _arguments(frames, stored, f"--json={report}")
  before = {p: p.stat().st_mtime_ns for p in stored.rglob("*")}
  code, out, _ = _run(capsys, *again)
  assert code == 0 and "already prepared: 4 of 4 scenes" in out
  assert json.loads(report.read_text())["frames"] == 12 + 13 + 14 + 15
  assert {p: p.stat().st_mtime_ns for p in stored.rglob("*")} == before
  info = LatentDataset(stored).info
  assert info["codecs"]["target"]["options"]["whiten"] == 0.0
  assert info["codecs"]["context"]["shape"] == [4, 4, 48]
  assert info["flipped"]


@pytest.mark.slow
def test_the_loss_of_a_step_is_the_same_from_latents_and_from_images(
  frames, stored
):
  losses = {}
  for field, path in (("path", frames), ("latents", stored)):
    config = load_config(CONFIG, [f"--config.data.{field}={path}"])
    model = build(config)
    task = make_task(config, model)
    data = open_data(config, model)
    data.set_state({"global_next_index": 3 * config.data.batch_size})
    batch = next(data)
    data.close()
    given = (
      batch.context.latents if field == "latents" else batch.context.images
    )
    assert given is not None
    # Drawn, not initialised: the last layers would start at zero and hide
    # what the tokens say.
    params = jax.tree.map(
      lambda leaf: 0.1 * networks.normals(leaf.size, *leaf.shape),
      jax.eval_shape(task.init, jax.random.key(0)),
    )
    losses[field] = networks.quick_jit(task.loss)(
      params, task.frozen, batch, jax.random.key(3), 3
    ).loss
  # float16 rounds a latent by 5e-4 of itself at most, and on average by none.
  np.testing.assert_allclose(losses["latents"], losses["path"], rtol=1e-3)
  assert np.std(losses["path"]) > 1e-2, "the scenes of a batch differ"


@pytest.mark.parametrize(
  "override, parts",
  [
    ("--config.codecs.target.whiten=1.0", ("codecs.target.options", "whiten")),
    ("--config.codecs.context.channels=128", ("codecs.context.channels", "48")),
    ("--config.data.split=test", ("data.split", "scenetok latents")),
    ("--config.data.image_size=128", ("data.image_size", "64x64")),
  ],
)
def test_training_refuses_latents_of_another_config(
  stored, tmp_path, capsys, override, parts
):
  settings = [override, f"--config.data.latents={stored}"]
  if "image_size" in override:  # the networks must fit it first
    settings += [
      f"--config.{net}.rays.size=(32,32)" for net in ("tokenizer", "decoder")
    ]
  code = console.run(
    train.main,
    [f"--config={CONFIG}", f"--workdir={tmp_path / 'run'}", *settings],
    "train",
  )
  _, err = capsys.readouterr()
  assert code == 2 and err.count("\n") == 1
  for part in parts:
    assert part in err


@pytest.mark.parametrize(
  "more, parts",
  [
    (["--data=/no/such"], ("/no/such", "scenetok prepare")),
    (["--split=test"], ("data.split", "found: train")),
    (["--dtype=int8"], ("--dtype", "int8")),
    (["--process-index=2", "--process-count=2"], ("--process-index=2", "1")),
    (["--config.codecs.target.spatial=48"], ("spatial", "48")),
    (["--config=configs/none.py"], ("configs/none.py",)),
  ],
)
def test_bad_usage_is_one_line_and_writes_nothing(
  frames, tmp_path, capsys, more, parts
):
  out = tmp_path / "out"
  code, said, err = _run(capsys, *_arguments(frames, out), *more)
  assert code == 2 and not said and err.count("\n") == 1
  for part in parts:
    assert part in err
  assert not out.exists()


def _tree(path):
  return {
    p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()
  }


def _start(frames, out, *more):
  command = [sys.executable, "-m", "scenetok_jax.cli.latents"]
  environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
  return subprocess.Popen(
    command + _arguments(frames, out, *more), cwd=ROOT, env=environment
  )


@pytest.mark.slow
def test_two_real_processes_one_of_them_killed_write_the_same(tmp_path):
  frames = tmp_path / "frames"
  builders.build(frames, clips.plan(scenes=40, frames=60, size=64))
  assert _start(frames, tmp_path / "whole").wait() == 0
  out = tmp_path / "out"
  first, second = (
    _start(frames, out, f"--process-index={i}", "--process-count=2")
    for i in range(2)
  )
  wanted = random.SystemRandom().randrange(1, 15)
  print(f"killed after {wanted} parts")
  own = ".train.partial-*/part-[0-9]*[02468]"
  while len([p for p in out.glob(own) if not p.suffix]) < wanted:
    assert first.poll() is None, "ended before it was killed"
    time.sleep(0.005)
  first.send_signal(signal.SIGKILL)
  first.wait()
  assert second.wait() == 0 and not (out / "train").exists()
  made = {p: p.stat().st_mtime_ns for p in out.glob(own) if not p.suffix}
  assert len(made) >= wanted
  again = _start(frames, out, "--process-index=0", "--process-count=2")
  assert again.wait() == 0
  assert _tree(out) == _tree(tmp_path / "whole")
