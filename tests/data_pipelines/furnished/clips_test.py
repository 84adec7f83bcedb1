"""Furnished rooms: layout without assets, whole clips where they are."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_pipelines.furnished import FurnishedOptions, layout
from data_pipelines.furnished import assets as furnished_assets
from data_pipelines.furnished import path as furnished_path
from data_pipelines.furnished.assets import Piece
from data_pipelines.furnished.catalog import RULES, catalogue
from data_pipelines.furnished.floor_plan import Box, Placed, Room
from data_pipelines.furnished.raster import linear_depth, projection
from data_pipelines.furnished.themes import THEMES
from data_pipelines.storage.builders import build
from data_pipelines.storage.depth_maps import decode_depth, encode_depth
from data_pipelines.storage.depth_records import DepthMaps
from data_pipelines.storage.parts import ranges
from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.cli import prepare
from scenetok_jax.types import InputError

SOURCE = Path(os.environ.get("SWEETHOME3D", furnished_assets.INSTALLED))
# A plausible size of each part, metres; top: height of its surface.
SIZES = {
  "sofa": (1.9, 0.9, 0.8), "armchair": (0.8, 0.8, 0.9), "bed": (1.6, 2.1, 1.0),
  "dining_table": (1.5, 0.9, 0.75), "chair": (0.45, 0.5, 0.9),
  "coffee_table": (1.1, 0.6, 0.45), "door": (0.9, 0.18, 2.05),
  "window": (1.1, 0.3, 1.3), "wardrobe": (1.7, 0.6, 2.0),
  "desk": (1.4, 0.7, 0.75), "office_chair": (0.6, 0.6, 1.0),
  "lower": (0.6, 0.6, 0.88), "upper": (0.6, 0.4, 0.72), "sink": (0.6, 0.6, 0.9),
  "tv_stand": (1.3, 0.45, 0.5), "tv": (0.8, 0.15, 0.5),
  "curtain": (1.3, 0.05, 2.2), "bookcase": (0.9, 0.35, 1.8),
}  # fmt: skip


def _catalog() -> dict[str, list[Piece]]:
  catalog = {}
  for part in RULES:
    size = SIZES.get(part, (0.3, 0.3, 0.3))
    catalog[part] = [
      _piece(part, tuple(grow * side for side in size)) for grow in (1.0, 0.9)
    ]
  return catalog


def _piece(part: str, size: tuple[float, ...]) -> Piece:
  return Piece(
    f"made-up/{part}-{size[0]:.2f}", part, "Living room", Path("none.sh3f"),
    "none.obj", "nobody", size, size[2], 0.9 if part == "window" else 0.0,
    None, 1000,
  )  # fmt: skip


def _room(seed: int) -> Room:
  rng = np.random.Generator(np.random.Philox(seed))
  return layout.furnish(rng, _catalog())


def _standing(room: Room) -> list[Placed]:
  loose = ("door", "window", "curtain", "hanging")
  return [p for p in room.placed if p.piece.name not in loose]


@pytest.mark.parametrize("seed", range(30))
def test_furniture_stays_inside_and_apart(seed):
  room = _room(seed)
  pieces = _standing(room)
  assert len(pieces) >= 4
  boxes = [placed.box() for placed in pieces]
  assert all(room.inside(box) for box in boxes)
  for i, one in enumerate(boxes):
    for j, two in enumerate(boxes[:i]):
      names = {pieces[i].piece.name, pieces[j].piece.name}
      # Chairs stand with their seats under tables.
      slack = 0.12 if names & {"chair", "office_chair"} else 0.035
      assert not one.meets(two, -slack), names


@pytest.mark.parametrize("seed", range(30))
def test_nothing_stands_before_a_door_or_hides_a_window(seed):
  room = _room(seed)
  kept_free = [box for box in room.taken if not box.solid]
  assert kept_free
  for placed in _standing(room):
    for zone in kept_free:
      assert not placed.box().meets(zone, -0.12), placed.piece.name


def test_rooms_are_a_function_of_their_seed():
  assert _room(5) == _room(5)
  assert _room(5) != _room(6)


@pytest.mark.slow
def test_rooms_do_not_depend_on_the_order_of_hashes():
  here = Path(__file__)
  code = (
    f"import sys; sys.path.insert(0, {str(here.parent)!r});"
    f"import {here.stem} as t; print([t._room(seed) for seed in range(24)])"
  )
  found = set()
  for seed in "12":
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
      [sys.executable, "-c", code], capture_output=True, text=True,
      check=True, env=environment, cwd=here.parents[3],
    )  # fmt: skip
    found.add(done.stdout)
  assert len(found) == 1 and "kitchen" in found.pop()


def test_things_stand_on_tops():
  found = 0
  for seed in range(12):
    for placed in _room(seed).placed:
      found += placed.piece.name.startswith("top_") and placed.z > 0.2
  assert found > 10


def test_every_theme_is_furnished_without_a_catalogue():
  for number, theme in enumerate(THEMES.values()):
    room = Room("any", (4.0, 4.0, 2.6))
    theme(room, np.random.Generator(np.random.Philox(number)), {})
    assert not room.placed


def test_clearance_is_the_distance_to_furniture_and_walls():
  room = Room("any", (4.0, 3.0, 2.6))
  room.taken.append(Box((1.0, 1.0, 0.0), (2.0, 2.0, 1.0)))
  room.taken.append(Box((3.0, 0.0, 0.0), (3.5, 3.0, 2.0), solid=False))
  points = np.array([[2.5, 1.5], [1.5, 1.5], [3.9, 1.5], [2.3, 2.4]])
  got = furnished_path.clearance(room, points)
  np.testing.assert_allclose(got, [0.5, -0.5, 0.1, 0.5])


def test_paths_keep_clear_and_turn_smoothly():
  for seed in range(8):
    room = _room(seed)
    rng = np.random.Generator(np.random.Philox(seed))
    for control, aims in furnished_path._candidates(room, rng):
      path = furnished_path.Path(control, aims, 0.7)
      places = path.poses(64)[:, :2, 3]
      clear = furnished_path.clearance(room, places).min()
      assert clear > furnished_path.CLEARANCE - 0.03
      steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
      assert steps.max() < 0.15


def test_poses_are_rigid_and_level():
  control = np.array([[0.0, 0, 1.2], [1, 0.4, 1.3], [2, 0, 1.4]])
  aims = np.array([[1.0, 4, 1.0], [2, 4, 0.8], [3, 4, 0.9]])
  c2w = furnished_path.Path(control, aims, 0.7).poses(9)
  turn = c2w[:, :3, :3]
  eye = np.einsum("tij,tkj->tik", turn, turn)
  np.testing.assert_allclose(eye, np.tile(np.eye(3), (9, 1, 1)), atol=1e-6)
  np.testing.assert_allclose(np.linalg.det(turn), 1.0, atol=1e-6)
  np.testing.assert_allclose(c2w[:, 2, 0], 0.0, atol=1e-6)  # no roll
  assert (c2w[:, 2, 1] < 0).all()  # down is down


def test_depth_survives_the_depth_buffer():
  depth = np.array([0.05, 0.5, 2.0, 10.0])
  points = np.stack([0 * depth, 0 * depth, depth, 1 + 0 * depth], 1)
  clip = points @ projection(0.7).T
  z = 0.5 + 0.5 * clip[:, 2] / clip[:, 3]
  np.testing.assert_allclose(linear_depth(z), depth, rtol=1e-6)


def test_depth_maps_keep_half_a_millimetre():
  rng = np.random.default_rng(0)
  depth = rng.uniform(0.1, 12.0, (8, 12)).astype(np.float32)
  depth[0, 0] = np.inf
  got = decode_depth(encode_depth(depth), "test")
  assert got[0, 0] == 0
  np.testing.assert_allclose(got.ravel()[1:], depth.ravel()[1:], atol=5.1e-4)


def test_parts_keep_the_paths_of_a_room_together():
  cuts = ranges(16, group=2)
  assert all(len(cut) % 2 == 0 for cut in cuts)
  assert [i for cut in cuts for i in cut] == list(range(16))


def test_missing_assets_are_named_with_their_remedy(tmp_path):
  with pytest.raises(InputError, match="apt-get install sweethome3d"):
    furnished_assets.find(tmp_path / "nowhere", tmp_path / "cache")
  with pytest.raises(InputError, match=r"no furniture.*apt-get install"):
    furnished_assets.find(tmp_path, tmp_path / "cache")


def _assets():
  pytest.importorskip("mitsuba", reason="needs the extra [rooms]")
  pytest.importorskip("moderngl", reason="needs the extra [rooms]")
  try:
    return furnished_assets.find(SOURCE)
  except InputError as error:
    pytest.skip(f"needs Sweet Home 3D's packages: {error}")


def test_every_part_has_a_model():
  pieces = furnished_assets.read_pieces(_assets())
  assert not [part for part, found in catalogue(pieces).items() if not found]


def _prepared(out, *more):
  """Two small clips of one room."""
  _assets()
  options = [
    "--dataset=furnished", f"--source={SOURCE}", "--scenes=2", "--frames=4",
    "--size=64", "--split=test", "--workers=0", f"--out={out}", *more,
  ]  # fmt: skip
  assert console.run(prepare.main, options) == 0
  return Dataset(out, "test")


@pytest.mark.slow
def test_prepared_rooms_have_depth_attribution_and_repeat(tmp_path):
  one, two = (_prepared(tmp_path / name) for name in "ab")
  assert [r.sha256 for r in one.scenes] == [r.sha256 for r in two.scenes]
  depth = DepthMaps(one).read(0, range(4))
  assert depth.shape == (4, 64, 64) and 0.1 < depth.min() < depth.max() < 15
  images, _ = one.read_frames(0, range(4))
  assert images.std() > 10
  text = (tmp_path / "a" / "test" / "ATTRIBUTION.md").read_text()
  assert "CC-BY-3.0" in text and "Scopia" in text


@pytest.mark.slow
def test_paths_moved_sideways_see_the_same_rooms(tmp_path):
  sets = [
    _prepared(tmp_path / x, f"--lateral-offset={x}") for x in ("0", "0.3")
  ]
  on, off = sets
  assert [row.key for row in on.scenes] == [row.key for row in off.scenes]
  (images, cameras), (beside, moved) = (
    d.read_frames(d.scenes[0], range(4)) for d in sets
  )
  shift = moved.extrinsics[:, :3, 3] - cameras.extrinsics[:, :3, 3]
  right = cameras.extrinsics[:, :3, 0]
  along = np.einsum("tc,tc->t", shift, right)
  np.testing.assert_allclose(shift, along[:, None] * right, atol=1e-5)
  np.testing.assert_allclose(along, along[0], atol=1e-5)
  assert 0.05 <= abs(along[0]) <= 0.3 + 1e-5
  np.testing.assert_array_equal(
    moved.extrinsics[:, :3, :3], cameras.extrinsics[:, :3, :3]
  )
  assert np.abs(images.astype(int) - beside).mean() > 1


def test_a_room_without_a_path_is_reported(tmp_path, monkeypatch):
  assets = _assets()
  from data_pipelines.furnished import clips, scenes

  monkeypatch.setattr(furnished_path, "find_path", lambda *_: None)
  monkeypatch.setattr(clips, "_ATTEMPTS", 1)
  scenes._studio.cache_clear()
  options = FurnishedOptions(scenes=2, frames=2, size=32)
  plan = scenes.plan(SOURCE, "test", options)
  with pytest.raises(InputError, match=r"all 2 scenes were dropped.*furniture"):
    build(tmp_path / "out", plan)
  scenes._studio.cache_clear()
  assert assets.libraries
