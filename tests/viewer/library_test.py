"""Scenes of prepared data, of a capture, of files; the last few are kept."""

import numpy as np
import pytest

from scenetok_jax import InputError, SceneTok
from scenetok_jax.inference.live import LiveRenderer
from scenetok_jax.viewer.library import Library, ViewerChoice, library
from tests.cli import workdirs
from tests.data_pipelines import clips


@pytest.fixture(scope="module")
def root(tmp_path_factory):
  return tmp_path_factory.mktemp("library")


@pytest.fixture(scope="module")
def model(root):
  return SceneTok.from_pretrained(workdirs.stage1(root / "stage1"))


@pytest.fixture(scope="module")
def renderer(model):
  return LiveRenderer(model)


def test_prepared_scenes_are_offered_the_chosen_one_first(
  root, model, renderer
):
  data = str(workdirs.rooms(root / "rooms", 2, 8))
  names = library(model, renderer, ViewerChoice(data=data)).names
  assert len(names) == 2
  found = library(model, renderer, ViewerChoice(data=data, scene=names[1]))
  assert found.names == names[::-1]
  entry = found.open(names[1])
  count, side = model.model.num_context, model.model.image_size
  assert entry.live.scene.key == names[1]
  assert entry.pictures.shape == (count, side, side, 3)
  assert np.ptp(entry.pictures) > 50
  assert found.open(names[1]) is entry
  entry.live.scene.save(root / "room.tok")
  file = str(root / "room.tok")
  loaded = library(model, renderer, ViewerChoice(scenes=(file,))).open(file)
  assert loaded.pictures is None
  np.testing.assert_array_equal(
    loaded.live.scene.tokens, entry.live.scene.tokens
  )


def test_a_capture_is_one_scene(root, model, renderer):
  folder = root / "my_capture"
  clips.write_capture(folder, width=128, height=96)
  found = library(model, renderer, ViewerChoice(capture=str(folder)))
  assert found.names == (str(folder),)
  assert found.open(str(folder)).live.scene.key == "my_capture"


def test_the_last_few_are_kept_and_a_failure_is_tried_again():
  opened, fails = [], [True]

  def maker(name):
    def make():
      if name == "bad" and fails:
        raise InputError(f"{name}: {fails.pop()}")
      opened.append(name)
      return object()

    return make

  names = [*map(str, range(20)), "bad"]
  found = Library({name: maker(name) for name in names})
  first = found.open("0")
  for name in names[1:16]:
    found.open(name)
  assert found.open("0") is first  # the oldest, and used again
  found.open("16")
  assert found.open("0") is first
  found.open("1")
  assert opened.count("1") == 2 and opened.count("0") == 1
  with pytest.raises(InputError, match="bad: True"):
    found.open("bad")
  found.open("bad")
  assert opened[-1] == "bad"
