"""Fine-tuning the renderer on depth: targets of other data, frozen tokens."""

import contextlib

import jax
import numpy as np
import pytest

from data_pipelines.loading import loader
from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.cli import prepare, train
from scenetok_jax.workdir.checkpoint import restore_params
from scenetok_jax.workdir.config import load_config

CONFIG = "configs/scenetok_depth.py:rooms,smoke"


def rooms(folder, *options):
  prepare.main(
    ["--dataset=rooms", "--scenes=2", "--frames=16", "--workers=0",
     f"--out={folder}", *options]
  )  # fmt: skip
  return folder


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
  return rooms(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def depth(tmp_path_factory):
  folder = tmp_path_factory.mktemp("depth")
  return rooms(folder, "--depth", "--image-format=png")


def test_targets_are_depth_and_context_is_colour(colours, depth):
  options = [f"--config.data.path={colours}"]
  config = load_config(CONFIG, [*options, f"--config.data.target_path={depth}"])
  plain = load_config("configs/rooms.py:smoke", options)
  batches = []
  for data in (config.data, plain.data):
    with contextlib.closing(loader.train_iterator(data, seed=0)) as stream:
      batches.append(next(stream))
  ours, theirs = batches
  np.testing.assert_array_equal(ours.context.images, theirs.context.images)
  jax.tree.map(
    np.testing.assert_array_equal, ours.target.cameras, theirs.target.cameras
  )
  grey = np.asarray(ours.target.images, int)
  assert np.ptp(grey, axis=-1).max() == 0
  assert np.ptp(np.asarray(theirs.target.images, int), axis=-1).max() > 0
  # The same frames: mirrored or not, a depth image of this batch is stored.
  stored = [
    Dataset(depth).read_frames(row, range(16))[0]
    for row in Dataset(depth).scenes
  ]
  stored = np.concatenate(stored)
  found = np.asarray(ours.target.images)[0, 0]
  assert any(
    np.array_equal(found, image) or np.array_equal(found, image[:, ::-1])
    for image in stored
  )


@pytest.mark.slow
def test_training_changes_the_renderer_alone(colours, depth, tmp_path):
  first = [
    f"--config={CONFIG}", f"--config.data.path={colours}",
    f"--config.data.target_path={depth}",
  ]  # fmt: skip
  base = tmp_path / "base"
  assert train.main([*first, f"--workdir={base}"]) == 0
  tuned = tmp_path / "tuned"
  restore = f"--config.restore={base}"
  assert train.main([*first, f"--workdir={tuned}", restore]) == 0
  before, after = restore_params(base), restore_params(tuned)
  jax.tree.map(
    np.testing.assert_array_equal, before["tokenizer"], after["tokenizer"]
  )
  changed = jax.tree.map(
    lambda a, b: bool(np.any(a != b)), before["decoder"], after["decoder"]
  )
  assert np.mean(jax.tree.leaves(changed)) > 0.5


def test_targets_must_be_given_and_be_of_the_same_scenes(
  colours, tmp_path, capsys
):
  options = [
    f"--config={CONFIG}", f"--config.data.path={colours}",
    f"--workdir={tmp_path / 'run'}",
  ]  # fmt: skip
  assert console.run(train.main, options) == 2
  assert "config.data.target_path: not set" in capsys.readouterr().err
  other = rooms(tmp_path / "other", "--first-scene=7")
  capsys.readouterr()  # the progress of making them
  capsys.readouterr()  # what preparing printed
  wrong = f"--config.data.target_path={other}"
  assert console.run(train.main, [*options, wrong]) == 2
  error = capsys.readouterr().err
  assert "rooms-0-000000: absent from" in error and error.count("\n") == 1
