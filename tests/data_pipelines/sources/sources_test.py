"""Data sets by name: one contract, and what a new one has to touch."""

import dataclasses
import functools
import sys

import numpy as np
import pytest

from data_pipelines import sources
from data_pipelines.sources import generated
from data_pipelines.storage import builders
from data_pipelines.storage.recipes import (
  FrameOptions,
  Recipe,
  SceneLoader,
  SplitPlan,
  size_option,
)
from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.cli import prepare
from scenetok_jax.types import InputError, option
from tests.data_pipelines import clips

# A whole data set: this module would be data_pipelines/sources/grey.py.


@dataclasses.dataclass(frozen=True)
class GreyOptions(FrameOptions):
  """How many grey clips."""

  size: int = size_option(16)
  clips: int = option(2, "clips to make")


def plan(source, split: str, options: GreyOptions) -> SplitPlan:
  """Smooth grey clips, made up."""
  del source
  side, _ = options.shape
  fields = {"size": side, "clips": options.clips}
  recipe = Recipe("grey", split, fields, options.holdout, options.image_format)
  return SplitPlan(
    recipe,
    [
      SceneLoader(f"grey{i}", functools.partial(clips.clip, 12, side, i))
      for i in range(options.clips)
    ],
  )


@pytest.fixture
def grey(monkeypatch):
  """The line in SOURCES."""
  monkeypatch.setitem(sources.SOURCES, "grey", sys.modules[__name__].__name__)
  yield
  sources.options_type.cache_clear()


def test_a_new_data_set_is_a_module_and_a_line(grey, tmp_path, capsys):
  arguments = ["--dataset=grey", "--clips=3", "--holdout-every=4"]
  assert not prepare.main(
    [*arguments, "--workers=0", f"--out={tmp_path / 'cli'}"]
  )
  assert "3 of 3 scenes" in capsys.readouterr().out
  options = GreyOptions(clips=3, holdout_every=4)
  builders.build(
    tmp_path / "python", sources.plan("grey", None, "train", options)
  )
  told, made = (Dataset(tmp_path / name) for name in ("cli", "python"))
  assert [r.sha256 for r in told.scenes] == [r.sha256 for r in made.scenes]
  images, cameras = made.read_frames("grey1", [0, 5])
  assert images.shape == (2, 16, 16, 3) and images[1].mean() > images[0].mean()
  np.testing.assert_allclose(
    cameras.extrinsics, clips.poses(12, 1)[[0, 5]], atol=1e-6
  )
  assert made.scenes[0].held_out == (2, 6, 10)


@pytest.mark.parametrize("name", sources.SOURCES)
def test_every_data_set_offers_a_plan_and_options(name):
  options = sources.options_type(name)
  assert issubclass(options, FrameOptions) and options.__doc__
  assert options().shape is not None
  with pytest.raises(InputError, match="--split=a/b"):
    sources.plan(name, None, "a/b")


def test_an_unknown_data_set_is_named():
  with pytest.raises(InputError, match="--dataset=co3d: unknown; use one of"):
    sources.plan("co3d", None, "train")


@pytest.mark.parametrize(
  "arguments, message",
  [
    (["--dataset=re10k", "--images=images_4"], "--images: only dl3dv has"),
    (["--dataset=capture", "--depth"], "--depth: only for rooms"),
    (["--dataset=capture", "--aside=1"], "--lateral-offset: only for rooms"),
    (["--dataset=rooms", "--min-frames=9"], "--min-frames: only for re10k"),
    (["--dataset=re10k", "--min-frames=1", "--source=raw"], "--min-frames=1"),
    (["--dataset=rooms", "--aside=9"], "not a finite number from 0 to 5"),
    (["--dataset=rooms", "--size=16x32"], "rooms are square"),
    (["--dataset=rooms", "--depth"], "add --image-format=png"),
    (["--dataset=acid"], "give the folder of acid, with train/ in it"),
  ],
)
def test_flags_of_other_data_sets_are_refused(
  tmp_path, monkeypatch, capsys, arguments, message
):
  monkeypatch.chdir(tmp_path)
  (tmp_path / "raw" / "train").mkdir(parents=True)
  (tmp_path / "raw" / "train" / "clip.txt").write_text("")
  code = console.run(prepare.main, [*arguments, "--out=out"], "prepare")
  err = capsys.readouterr().err
  assert code == 2 and message in err and err.count("\n") == 1
  assert not (tmp_path / "out").exists()


# What --aside, --depth and the others were called in recipes before they
# were options of their data sets: data prepared then are recognised.
@pytest.mark.parametrize(
  "name, options, expected, digest",
  [
    (
      "rooms",
      {"scenes": 2, "frames": 3, "size": 16},
      {"scenes": 2, "frames": 3, "size": 16, "seed": 0, "first_scene": 0},
      "025152223ab2",
    ),
    (
      "rooms",
      {"scenes": 1, "size": "16", "lateral_offset": 0.3, "first_scene": 7},
      {"scenes": 1, "frames": 48, "size": 16, "seed": 0, "first_scene": 7,
       "aside": 0.3},
      "d1454fbc805b",
    ),
    (
      "rooms",
      {"scenes": 1, "depth": True, "image_format": "png"},
      {"scenes": 1, "frames": 48, "size": 64, "seed": 0, "first_scene": 0,
       "depth": True},
      "9efd28cb9972",
    ),
  ],
)  # fmt: skip
def test_recipes_stay_as_they_were(name, options, expected, digest):
  options = sources.options_type(name)(**options)
  made = sources.plan(name, None, "train", options)
  assert made.recipe.describe()["options"] == expected
  assert made.digest() == digest


def test_video_recipes_stay_as_they_were(tmp_path):
  clips.write_capture(tmp_path / "train" / "one", frames=3)
  for name in ("dl3dv", "capture"):
    made = sources.plan(name, tmp_path / "train", "train")
    assert made.recipe.describe() == {
      "dataset": name,
      "split": "train",
      "options": {
        **(
          {"size": 64} if name == "capture" else {"shape": 256, "images": None}
        ),
        "source": "train",
        "source_sha256": made.recipe.options["source_sha256"],
      },
      "holdout": {"every": 0, "frames": []},
      "image_format": "jpeg",
      "min_frames": 2,
      "max_jump": 0.0 if name == "capture" else 30.0,
    }


def test_a_lateral_offset_stays_in_a_room():
  options = generated.GeneratedOptions(lateral_offset=9)
  with pytest.raises(InputError, match="--lateral-offset=9: must be 0 to 5"):
    options.describe("train")
