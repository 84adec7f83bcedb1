"""A workdir in a bucket: every file of it, through a real emulator."""

import json
import os
import sys
import threading
import time
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from ml_collections import ConfigDict

from scenetok_jax import console, io
from scenetok_jax.cli import main as scenetok
from scenetok_jax.convert.compact import PARAMS_FILE, save_compact
from scenetok_jax.disk import check_writable
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.lives import LifeLog
from scenetok_jax.train.profile import Profiler
from scenetok_jax.train.writer import MetricWriter
from scenetok_jax.types import InputError
from scenetok_jax.workdir import lock as module
from scenetok_jax.workdir.checkpoint import (
  latest_step,
  restore_params,
  save_params,
)
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.lock import LOCK_FILE, LeaseLostError, lock
from scenetok_jax.workdir.stored import complete_steps
from scenetok_jax.workdir.stored_config import load_stored_config, store_config


@pytest.fixture(autouse=True)
def _no_folder_is_made(monkeypatch, tmp_path):
  """Nothing lands in a local folder called gs:."""
  monkeypatch.chdir(tmp_path)
  yield
  assert os.listdir(tmp_path) == []


@pytest.fixture
def workdir(bucket, request):
  return f"{bucket}/{request.node.name}"


def test_files_are_objects_written_whole(workdir):
  path = io.locate(workdir) / "new" / "a.json"
  io.write_json(path, {"a": 1}, sync=True)
  assert json.loads(path.read_text()) == {"a": 1}
  with pytest.raises(RuntimeError), io.atomic_path(path) as temporary:
    temporary.write_text("half")
    raise RuntimeError
  assert json.loads(path.read_text()) == {"a": 1}
  check_writable(io.locate(workdir))
  assert [p.name for p in io.locate(workdir).iterdir()] == ["new"]


@pytest.mark.parametrize("url", ["gs://no-such-bucket/run", "s3://bucket/run"])
def test_a_bucket_that_cannot_be_written_is_one_line(bucket, url):
  with pytest.raises(InputError, match=url) as told, lock(url):
    pass
  assert "\n" not in str(told.value)


def test_one_run_has_the_lease_of_a_bucket(workdir, monkeypatch):
  monkeypatch.setattr(module, "BEAT", 0.2)
  with lock(workdir) as check:
    with pytest.raises(InputError, match="in use by process"), lock(workdir):
      pass
    check()
    other = {"owner": "other", "pid": 7, "host": "there"}
    (epath.Path(workdir) / LOCK_FILE).write_text(json.dumps(other))
    deadline = time.monotonic() + 20
    with pytest.raises(LeaseLostError, match="process 7 on there"):
      while time.monotonic() < deadline:
        check()
  (epath.Path(workdir) / LOCK_FILE).unlink()
  with lock(workdir):
    pass
  assert not io.locate(workdir).exists()


def test_of_many_that_start_at_once_one_has_the_bucket(workdir):
  together, had, refused = threading.Barrier(4), [], []
  finished = threading.Event()

  def start():
    together.wait()
    try:
      with lock(workdir):
        had.append(1)
        finished.wait(60)
    except InputError:
      refused.append(1)
      if len(refused) == 3:
        finished.set()

  threads = [threading.Thread(target=start) for _ in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join(90)
  assert len(had) == 1 and len(refused) == 3


def test_rows_config_and_parameters_come_back(workdir):
  config = ConfigDict(
    {"train": {"total_steps": 9, "wandb": ""}, "data": {"batch_size": 4}}
  )
  for start in (0, 2):  # a resumed run drops what comes again
    activity = Activity()
    activity.first_step = start
    with MetricWriter(workdir, config, activity) as writer:
      for step in range(start + 1, 5):
        writer.write(step, {"loss": 1.0 / step})
      writer.flush()
      writer.write_eval(4, {"psnr": 20.0})
      assert writer.evaluated(4) and not writer.evaluated(3)
  lines = (epath.Path(workdir) / "metrics.jsonl").read_text().splitlines()
  assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]

  store_config(workdir, config.to_dict())
  assert load_stored_config(workdir) == config.to_dict()
  with pytest.raises(InputError, match=r"field data\.batch_size is 4 there"):
    store_config(workdir, {**config.to_dict(), "data": {"batch_size": 8}})

  params = {"decoder": {"kernel": jnp.arange(8192.0).reshape(64, 128)}}
  for step in (3, 4):
    save_params(workdir, params, config.to_dict(), step)
  # A save that was killed: everything but the last object.
  marks = (epath.Path(workdir) / "checkpoints" / "4").glob("commit_success*")
  for mark in marks:
    mark.unlink()
  assert complete_steps(workdir) == [3] and latest_step(workdir) == 3
  found = restore_params(workdir)["decoder"]["kernel"]
  np.testing.assert_array_equal(found, params["decoder"]["kernel"])
  save_compact(f"{workdir}/small/{PARAMS_FILE}", params, 3, exact=True)
  found = restore_params(f"{workdir}/small")["decoder"]["kernel"]
  np.testing.assert_array_equal(found, params["decoder"]["kernel"])
  with pytest.raises(InputError, match=r"train\.profile: 1:2"):
    Profiler(workdir, "1:2")


def test_lives_and_what_came_of_them_are_told(workdir, capsys):
  for first, last in ((0, 3), (2, 9)):
    activity = Activity()
    activity.first_step, activity.last_step = first, last
    with LifeLog(workdir, 9, activity, lambda: None):
      activity.at("step", "step")
  assert scenetok.main(["goodput", workdir]) == 0
  out = capsys.readouterr().out
  assert "steps that count: 9, and 1 trained again" in out
  assert "stopped" in out and "finished" in out
  assert scenetok.main(["goodput", f"{workdir}/none"]) == 2
  assert "none/lives.jsonl: not there" in capsys.readouterr().err


def test_weights_and_biases_keep_their_files_here(workdir, monkeypatch):
  asked = {}
  run = SimpleNamespace(finish=lambda: None, log=lambda *_, **__: None)
  wandb = SimpleNamespace(init=lambda **given: asked.update(given) or run)
  monkeypatch.setitem(sys.modules, "wandb", wandb)
  config = ConfigDict(
    {"train": {"total_steps": 9, "wandb": "mine"}, "data": {"batch_size": 4}}
  )
  with MetricWriter(workdir, config, Activity()) as writer:
    assert len(writer._loggers) == 1  # no files of TensorBoard
  assert asked["dir"] is None and asked["name"] == io.locate(workdir).name


@pytest.mark.parametrize(
  "field", ["data.path", "data.latents", "codecs.target.weights"]
)
def test_a_field_that_takes_no_url_is_named(field):
  with pytest.raises(InputError) as told:
    load_config("rooms:smoke", [f"--config.{field}=gs://bucket/data"])
  for part in (
    f"config.{field}: gs://bucket/data",
    "scenetok stage --data=gs://bucket/data --to=",
    "gcsfuse",
  ):
    assert part in str(told.value)
  assert "\n" not in str(told.value)


@pytest.mark.parametrize(
  "words",
  [
    "latents --config=rooms:smoke --data=gs://b/d --out=x",
    "latents --config=rooms:smoke --data=x --out=gs://b/d",
    "evaluate --workdir=x --data=gs://b/d",
    "compact --workdir=x --out=gs://b/c",
    "prepare --dataset=rooms --split=test --out=s3://b/d",
    "tables gs://b/scores.json",
    "train --config=gs://b/rooms.py --workdir=x",
  ],
)
def test_a_flag_that_takes_no_url_is_named(words, capsys):
  assert scenetok.main(words.split()) == 2
  error = capsys.readouterr().err
  (url,) = [w.rpartition("=")[2] for w in words.split() if "://" in w]
  assert url in error and "scenetok stage" in error and error.count("\n") == 1


def test_workdirs_may_be_urls():
  assert console.Parser.urls == ("workdir",)
