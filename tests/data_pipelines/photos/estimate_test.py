"""Pictures of a known place, without poses -> cameras, records, a report."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from data_pipelines import photos
from data_pipelines.photos import PoseOptions, estimate, sfm
from data_pipelines.sources import capture
from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.cli import prepare
from scenetok_jax.metrics.pose import auc, pair_errors
from scenetok_jax.types import InputError
from tests import textured_box

_SCALE = 3  # 384 x 288 pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Photos of the box, with the focal length in their EXIF tags."""
  pytest.importorskip("pycolmap", reason="extra `colmap` is not installed")
  root = tmp_path_factory.mktemp("photos") / "box"
  root.mkdir()
  for i, image in enumerate(textured_box.frames(_SCALE)):
    exif = Image.Exif()
    # What pycolmap reads as 0.6 of the longer side.
    exif[0x8769] = {0xA405: 21}
    Image.fromarray(image).save(root / f"{i}.jpg", quality=95, exif=exif)
  return root


@pytest.fixture(scope="module")
def found(folder, tmp_path_factory):
  work = tmp_path_factory.mktemp("work") / "poses"
  return estimate(folder, work, PoseOptions(threads=1))


def test_photos_get_the_poses_from_which_they_were_taken(found):
  report = found.report
  assert report["registered"] == textured_box.FRAMES and not report["left_out"]
  assert report["reprojection_error"] < 1 and report["track_length"] > 2.5
  (lens,) = report["lenses"]
  assert lens["focal_from_exif"]
  assert lens["params"][0] == pytest.approx(0.6 * lens["width"], rel=0.05)
  raw = capture.load(found.folder, 32)
  assert raw.images.shape == (textured_box.FRAMES, 32, 32, 3)
  errors = pair_errors(raw.cameras.extrinsics, textured_box.path())
  assert auc(errors) > 0.9


def test_the_world_is_upright_and_of_the_asked_size(found):
  poses = capture.load(found.folder, 32).cameras.extrinsics
  down = np.tile([0, 1, 0], (len(poses), 1))
  np.testing.assert_allclose(poses[:, :3, 1], down, atol=0.1)
  np.testing.assert_allclose(poses[:, :3, 3].mean(axis=0), 0, atol=1e-4)
  assert found.report["median_depth"] == pytest.approx(2.5)
  (picture,) = found.folder.glob("cameras.png")
  with Image.open(picture) as shown:
    assert min(shown.size) > 400


def test_finished_work_is_kept_and_another_scale_is_fast(
  found, folder, tmp_path, monkeypatch
):
  work = tmp_path / "poses"
  shutil.copytree(found.folder, work)
  monkeypatch.setattr(sfm, "find_features", None)  # none are looked for
  monkeypatch.setattr(sfm, "place", None)
  again = estimate(folder, work, PoseOptions(threads=1, scale="5"))
  assert again.report["median_depth"] == pytest.approx(5)
  assert again.report["scale"] == pytest.approx(2 * found.report["scale"])
  with pytest.raises(InputError, match="--min-track=9"):
    estimate(folder, work, PoseOptions(min_track=9))
  with pytest.raises(InputError, match="holds poses of other photos"):
    estimate(folder, work, PoseOptions(features=999))


def test_a_folder_of_something_else_is_left_alone(folder, tmp_path):
  (tmp_path / "mine.txt").write_text("mine")
  with pytest.raises(InputError, match="exists; choose another folder"):
    estimate(folder, tmp_path)
  assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_stopped_estimate_goes_on_and_ends_the_same(
  found, folder, tmp_path, monkeypatch
):
  place, find, looked = sfm.place, sfm.find_features, []

  def killed(*_):
    raise KeyboardInterrupt

  def counted(folder, groups, lens, limits, step):
    find(folder, groups, lens, limits, lambda n: (looked.append(n), step(n)))

  monkeypatch.setattr(sfm, "place", killed)
  with pytest.raises(KeyboardInterrupt):
    estimate(folder, tmp_path / "poses", PoseOptions(threads=1))
  before = (tmp_path / "poses/images/00000.jpg").stat().st_mtime_ns
  monkeypatch.setattr(sfm, "place", place)
  monkeypatch.setattr(sfm, "find_features", counted)
  again = estimate(folder, tmp_path / "poses", PoseOptions(threads=1))
  after = (tmp_path / "poses/images/00000.jpg").stat().st_mtime_ns
  assert before == after and sum(looked) == textured_box.FRAMES
  for name in ("cameras.bin", "images.bin"):
    one, two = (f.folder / "sparse/0" / name for f in (found, again))
    assert one.read_bytes() == two.read_bytes()
  assert again.report == found.report


@pytest.mark.slow
@pytest.mark.parametrize("mapper", ["incremental", "global"])
def test_photos_are_prepared_like_any_capture(folder, tmp_path, capsys, mapper):
  out = tmp_path / "out"
  arguments = [
    "--dataset=photos", f"--source={folder}", f"--out={out}", "--size=32",
    "--workers=0", "--holdout-every=4", f"--mapper={mapper}",
  ]  # fmt: skip
  assert console.run(prepare.main, arguments, "prepare") == 0
  shown = capsys.readouterr().out
  assert "1 of 1 scenes, 8 frames" in shown and "8 of 8 pictures" in shown
  data = Dataset(out)
  assert data.scenes[0].key == "box" and data.scenes[0].held_out == (2, 6)
  _, cameras = data.read_frames("box", range(8))
  assert auc(pair_errors(cameras.extrinsics, textured_box.path())) > 0.9
  report = json.loads((out / "report.json").read_text())
  assert report["splits"]["train"]["poses"]["registered"] == 8
  assert (out / "cameras.png").read_bytes() == (
    out / "train/cameras.png"
  ).read_bytes()
  assert sorted(p.name for p in out.iterdir()) == [
    "cameras.png", "report.json", "train",
  ]  # fmt: skip
  assert console.run(prepare.main, arguments, "prepare") == 0
  assert "already prepared" in capsys.readouterr().out


@pytest.mark.slow
def test_pictures_that_share_nothing_are_one_line(tmp_path, capsys):
  pytest.importorskip("pycolmap", reason="extra `colmap` is not installed")
  (tmp_path / "mine").mkdir()
  rng = np.random.default_rng(0)
  for i in range(4):
    noise = rng.integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "mine" / f"{i}.png")
  arguments = ["--dataset=photos", f"--source={tmp_path / 'mine'}"]
  arguments += [f"--out={tmp_path / 'out'}", "--workers=0"]
  assert console.run(prepare.main, arguments, "prepare") == 2
  told = capsys.readouterr().err.splitlines()[-1]
  assert "none of 4 pictures could be placed: more overlap" in told


def test_without_pycolmap_the_extra_is_named(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(sfm, "available", lambda: False)
  for i in range(3):
    Image.new("RGB", (64, 64)).save(tmp_path / f"{i}.png")
  arguments = ["--dataset=photos", f"--source={tmp_path}", "--out=out"]
  assert console.run(prepare.main, arguments, "prepare") == 2
  told = capsys.readouterr().err
  assert "pip install 'scenetok_jax[colmap]'" in told and told.count("\n") == 1
  with pytest.raises(InputError, match=r"scenetok_jax\[colmap\]"):
    photos.estimate(tmp_path, tmp_path / "work")
  assert not (tmp_path / "work").exists()
