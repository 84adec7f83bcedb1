"""What is exported reads back: by COLMAP, by trimesh and by our own reader."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import capture
from data_pipelines.storage import builders
from data_pipelines.storage.recipes import Holdout
from data_pipelines.storage.records import Dataset
from scenetok_jax.cli import main as scenetok
from scenetok_jax.geometry import depth_images
from scenetok_jax.sharing import posed_images
from scenetok_jax.sharing.points import PointOptions, points
from scenetok_jax.types import Cameras
from tests.cli import workdirs
from tests.data_pipelines import clips
from tests.sampling.models import tiny, tiny_config

LENS = np.array([[0.9, 0, 0.48], [0, 1.1, 0.52], [0, 0, 1]], np.float32)


def cameras(count):
  """Cameras that turn and walk, with one lens."""
  turn = np.linspace(0, 0.6, count)
  poses = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
  poses[:, 0, 0] = poses[:, 2, 2] = np.cos(turn)
  poses[:, 0, 2], poses[:, 2, 0] = np.sin(turn), -np.sin(turn)
  poses[:, :3, 3] = np.linspace([0, 0, 0], [1, -0.2, 0.4], count)
  return Cameras(poses, np.tile(LENS, (count, 1, 1)))


def wall(view, frame, size, distance):
  """Depth float [H W] of the plane z = distance in the world."""
  x, y = np.meshgrid(*(2 * [(np.arange(size) + 0.5) / size]))
  rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(LENS).T
  pose = np.asarray(view.extrinsics[frame], np.float64)
  return (distance - pose[2, 3]) / (rays @ pose[2, :3])


def test_points_lie_where_the_depth_says():
  view, scale = cameras(3), 2.0
  depth = np.stack([wall(view, t, 32, 3.0) for t in range(3)])
  images = depth_images.encode(depth * scale)[None].repeat(3, axis=0)
  images[:, 0, :4] = 255  # nothing is known at the end of the scale
  images[0, 1, :, :8] //= 2  # one sample disagrees here
  colours = np.random.default_rng(0).integers(
    0, 256, images.shape[1:], np.uint8
  )
  found = points(
    images, colours, view, PointOptions(confidence=0.9), scale=scale
  )
  sure = 3 * 32 * 32 - 4 * 32 - 8 * 32
  assert len(found.places) == sure
  # Grey levels have steps of 1.6 %.
  assert np.abs(found.places[:, 2] - 3.0).max() < 0.03
  x, y = (found.pixels - 0.5).astype(int).T
  np.testing.assert_array_equal(found.colours, colours[found.frames, y, x])
  assert (found.confidence == 1.0).all()
  whole = points(images, colours, view, PointOptions(confidence=0), seed=1)
  assert len(whole.places) == sure + 8 * 32
  assert whole.confidence.min() < 0.1
  few = PointOptions(confidence=0, points=50)
  one, other = (points(images, colours, view, few, seed=s) for s in (1, 2))
  assert len(one.places) == 50 and (one.places != other.places).any()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  """A run in colour, one of depth that was tuned from it, and scenes."""
  root = tmp_path_factory.mktemp("inputs")
  colour = workdirs.stage1(root / "colour")
  config, params = tiny_config(), tiny()[1]
  config.data.target_path, config.restore = "data/depth", str(colour)
  other = jax.tree.map(lambda x: -0.5 * x, params["decoder"])
  workdirs.write(root / "depth", config, {**params, "decoder": other})
  kept = Holdout(5)
  plan = clips.plan(scenes=1, frames=10, size=64, holdout=kept, split="test")
  builders.build(root / "data", plan)
  return root


def run(inputs, workdir, out, *more):
  return scenetok.main(
    ["export", f"--workdir={inputs / workdir}", f"--data={inputs / 'data'}",
     "--split=test", "--scene=0", "--trajectory=clip", "--steps=1",
     f"--out={out}", *more]
  )  # fmt: skip


@pytest.fixture(scope="module")
def exported(inputs, tmp_path_factory):
  out = tmp_path_factory.mktemp("exported") / "room"
  more = ["--confidence=0", "--points=500", "--samples=2"]
  assert run(inputs, "depth", out, *more) == 0
  return out


def truth(inputs, frames):
  dataset = Dataset(inputs / "data", "test")
  found = dataset.cameras(dataset.scenes[0])
  return Cameras(found.extrinsics[:frames], found.intrinsics[:frames])


def pictures(out):
  files = sorted((out / "images").glob("*.png"))
  return {file.name: np.asarray(Image.open(file)) for file in files}


def test_colmap_sees_every_point_at_its_pixel(exported):
  pycolmap = pytest.importorskip("pycolmap", reason="needs the extra [colmap]")
  model = pycolmap.Reconstruction(str(exported / "sparse/0"))
  images = pictures(exported)
  assert len(model.cameras) == 1 and len(model.images) == len(images)
  assert len(model.points3D) == 500
  for point in model.points3D.values():
    (element,) = point.track.elements
    image = model.images[element.image_id]
    at = image.points2D[element.point2D_idx]
    seen = model.cameras[image.camera_id].img_from_cam(
      image.cam_from_world() * point.xyz
    )
    assert np.abs(seen - at.xy).max() < 1e-3
    x, y = np.floor(seen).astype(int)
    np.testing.assert_array_equal(point.color, images[image.name][y, x])


def test_points_are_a_binary_ply_with_their_confidence(exported):
  trimesh = pytest.importorskip("trimesh")
  data = (exported / "points.ply").read_bytes()
  head = data.split(b"end_header")[0].decode()
  assert "format binary_little_endian 1.0" in head
  assert "property float confidence" in head.replace("float32", "float")
  cloud = trimesh.load(exported / "points.ply")
  assert cloud.vertices.shape == (500, 3) and cloud.colors.shape == (500, 4)
  lines = (exported / "sparse/0/points3D.txt").read_text().splitlines()[1:]
  table = np.array([line.split()[1:7] for line in lines], float)
  np.testing.assert_allclose(cloud.vertices, table[:, :3], rtol=1e-5, atol=1e-5)
  np.testing.assert_array_equal(cloud.colors[:, :3], table[:, 3:])
  named = json.loads((exported / "transforms.json").read_text())
  assert named["ply_file_path"] == "points.ply"


@pytest.mark.parametrize("form", ["transforms.json", "COLMAP"])
def test_our_reader_finds_the_same_cameras_and_images(inputs, exported, form):
  there = exported / "transforms.json"
  text = there.read_text()
  if form == "COLMAP":
    there.unlink()
  try:
    found = capture.load(exported, 64)
  finally:
    there.write_text(text)
  want = truth(inputs, len(found.images))
  for ours, theirs in (
    (found.cameras.extrinsics, want.extrinsics),
    (found.cameras.intrinsics, want.intrinsics),
  ):
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
  np.testing.assert_array_equal(
    found.images, np.stack(list(pictures(exported).values()))
  )


def test_a_run_in_colour_has_images_and_cameras(inputs, exported, tmp_path):
  out = tmp_path / "room"
  assert run(inputs, "colour", out, "--json=" + str(tmp_path / "a.json")) == 0
  assert json.loads((tmp_path / "a.json").read_text())["points"] == 0
  assert not (out / "points.ply").exists()
  ours, theirs = pictures(out), pictures(exported)
  assert all((ours[name] == theirs[name]).all() for name in ours)
  for name in ("cameras.txt", "points3D.txt"):
    lines = (out / "sparse/0" / name).read_text().splitlines()
    assert len(lines) == 1 + (name == "cameras.txt")
  assert len(capture.load(out, 64).images) == len(ours)
  lines = (out / "sparse/0/images.txt").read_text().splitlines()[1:]
  assert len(lines) == 2 * len(ours) and set(lines[1::2]) == {"32.0 32.0 -1"}


def test_a_second_run_takes_the_place_of_the_first(inputs, tmp_path):
  out = tmp_path / "room"
  more = ["--confidence=0", "--points=5", "--samples=1"]
  assert run(inputs, "depth", out, *more) == 0
  assert run(inputs, "colour", out, "--frames=6") == 0
  assert not (out / "points.ply").exists() and len(pictures(out)) == 6


def test_a_lens_of_each_frame_is_a_camera_of_each(tmp_path):
  view = cameras(3)
  view.intrinsics[1, 0, 0] = 0.7
  names = ["0000.png", "0001.png", "0002.png"]
  files = posed_images.colmap(view, names, (48, 64))
  assert files["cameras.txt"].count("PINHOLE 64 48") == 2
  found = posed_images.transforms(view, names, (48, 64))
  assert [f["fl_x"] for f in found["frames"]] == pytest.approx(
    [57.6, 44.8, 57.6]
  )
  pycolmap = pytest.importorskip("pycolmap", reason="needs the extra [colmap]")
  for name, text in files.items():
    (tmp_path / name).write_text(text)
  model = pycolmap.Reconstruction(str(tmp_path))
  assert len(model.images) == 3 and not model.points3D
  (other,) = (i for i in model.images.values() if i.name == "0001.png")
  assert model.cameras[other.camera_id].params[0] == pytest.approx(44.8)
  pose = np.linalg.inv(view.extrinsics[1].astype(float))[:3]
  np.testing.assert_allclose(other.cam_from_world().matrix(), pose, atol=1e-6)


def test_whose_colours_they_are_must_be_known(inputs, tmp_path, capsys):
  config, params = tiny_config(), tiny()[1]
  config.data.target_path = "data/depth"
  workdirs.write(tmp_path / "scratch", config, params)
  other = jax.tree.map(lambda x: 2.0 * x, params)
  workdirs.write(tmp_path / "other", tiny_config(), other)
  for workdir, colours, told in (
    (tmp_path / "scratch", None, "draws depth alone, from scratch"),
    (tmp_path / "scratch", tmp_path / "other", "its tokens are not those of"),
    (inputs / "colour", inputs / "colour", "itself draws colours"),
  ):
    more = [f"--colours={colours}"] if colours else []
    assert run(inputs, workdir, tmp_path / "out", *more) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
  assert not (tmp_path / "out").exists()
