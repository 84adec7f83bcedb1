"""Examples equal the authors' loaders' on their miniature data sets."""

import numpy as np
import pytest

from data_pipelines.sources import dl3dv_scenes, re10k_chunks
from data_pipelines.views import evaluation
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.parity import release_latents, release_views
from scenetok_jax.types import Cameras
from tests import goldens


def _entries(case):
  index = evaluation.read_index(case.path / "eval_index.json", repeats=True)
  return index.scenes


def _check(case, prefix, batch, choice):
  expected = case.run(prefix, "outputs")
  for name in ("context", "target"):
    views = getattr(batch, name)
    np.testing.assert_array_equal(
      getattr(choice, name), expected[f"{name}_index"]
    )
    for field in ("extrinsics", "intrinsics"):
      actual = getattr(views.cameras, field)
      assert actual.dtype == np.float32
      goldens.assert_close(actual, expected[f"{name}_{field}"], 1e-6)
    if views.images is not None:
      np.testing.assert_array_equal(
        np.moveaxis(views.images, -1, 1), expected[f"{name}_image_u8"]
      )
    else:
      np.testing.assert_array_equal(
        np.moveaxis(views.latents, -1, 1), expected[f"{name}_latent"]
      )


def test_re10k_examples_equal_the_release():
  case = goldens.load_case("dataset_re10k")
  for run in case.config["runs"]:
    for i, (key, entry) in enumerate(_entries(case).items()):
      choice = evaluation.from_index(entry, Grouping(4))
      batch = release_views.re10k(
        case.path / "data" / "test",
        key,
        choice,
        tuple(run["shape"]),
        make_baseline=run["make_baseline"],
      )
      _check(case, f"{run['prefix']}{i}_", batch, choice)


def test_dl3dv_examples_equal_the_release():
  case = goldens.load_case("dataset_dl3dv")
  for run in case.config["runs"]:
    for i, (key, entry) in enumerate(_entries(case).items()):
      choice = evaluation.from_index(entry, Grouping(4))
      batch = release_views.dl3dv(
        case.path / "data" / "test" / key,
        choice,
        tuple(run["shape"]),
        flip=run["flip"],
        scale_focal_by_256=run["scale_focal_by_256"],
        scale_context_focal_by_256=run["scale_context_focal_by_256"],
      )
      _check(case, f"{run['prefix']}{i}_", batch, choice)


@pytest.mark.parametrize("number", [0, 1])
def test_latent_examples_equal_the_release(number):
  case = goldens.load_case("dataset_latent")
  run = case.config["runs"][number]
  entries = _entries(case)
  roots = [case.path / "data" / run[name] for name in ("context", "target")]
  maps = [release_latents.read_map(root, "test") for root in roots]
  for i, scene in enumerate(maps[0]):
    context, target = (files[scene][0] for files in maps)
    grouping = Grouping(4, run["target_latent_type"] == "wan")
    choice = evaluation.from_index(entries[context.name], grouping)
    batch = release_views.latents(
      context,
      target,
      choice,
      make_baseline=run["make_baseline"],
      scale_focal_by_256=run["scale_focal_by_256"],
    )
    prefix = f"{run['prefix']}{i}_"
    assert str(case.outputs[f"{prefix}scene"]) == context.name
    _check(case, prefix, batch, choice)


def test_camera_rows_equal_the_release():
  case = goldens.load_case("dataset_re10k")
  cameras = re10k_chunks.cameras_from_rows(case.inputs["cameras"], "inputs")
  goldens.assert_close(
    cameras.extrinsics, case.outputs["convert_poses_c2w"], 1e-6
  )
  np.testing.assert_array_equal(
    cameras.intrinsics, case.outputs["convert_poses_intrinsics"]
  )
  case = goldens.load_case("dataset_dl3dv")
  scene = case.path / "data" / "test" / "aa11"
  clip = dl3dv_scenes.read_scene(scene, "images_4", distorted=True)
  for run, scaled in ((0, False), (1, True)):
    cameras = Cameras(clip.cameras.extrinsics, clip.cameras.intrinsics)
    if scaled:
      cameras = release_views.scale_focal(cameras, release_views.RELEASE_FOCAL)
    expected = case.outputs[f"metadata_aa11_{run}_cameras"]
    goldens.assert_close(
      re10k_chunks.rows_from_cameras(cameras), expected, 1e-6
    )
