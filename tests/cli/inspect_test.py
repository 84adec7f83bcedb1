"""`scenetok inspect`: pictures and numbers by which a person judges a scene."""

import json

import numpy as np
import pytest

from data_pipelines.inspection import pictures
from data_pipelines.latents import builders as latents
from data_pipelines.latents.encoder import EncodingJob, LatentOptions
from data_pipelines.latents.identity import identity
from data_pipelines.storage import builders, recipes, records
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax import console
from scenetok_jax.cli import inspect
from scenetok_jax.codecs.api import get_codec
from scenetok_jax.media import read_image
from scenetok_jax.outputs import LIST_FILE
from scenetok_jax.types import Cameras
from tests.data_pipelines import clips


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  path = tmp_path_factory.mktemp("prepared")
  holdout = recipes.Holdout(5)
  builders.build(path, clips.plan(scenes=3, size=32, holdout=holdout))
  return path


def _run(capsys, *argv):
  """(exit code, stdout, stderr) of `scenetok inspect ARGV`."""
  code = console.run(inspect.main, [str(a) for a in argv], "inspect")
  captured = capsys.readouterr()
  return code, captured.out, captured.err


def test_without_a_scene_it_gives_an_overview(prepared, tmp_path, capsys):
  report = tmp_path / "overview.json"
  code, out, _ = _run(capsys, prepared, f"--json={report}")
  assert code == 0 and "3 scenes of frames, 63 frames (20 to 22 each" in out
  assert "32x32" in out and "s0, s1, s2" in out
  found = json.loads(report.read_text())
  assert (found["kind"], found["scenes"], found["frames"]) == ("frames", 3, 63)
  assert found["frames_each"] == [20, 21, 22]


def test_a_scene_becomes_pictures_and_numbers(prepared, tmp_path, capsys):
  out = tmp_path / "out"
  report = tmp_path / "scene.json"
  code, text, _ = _run(
    capsys, prepared, "--scene=s1", "--epipolar", f"--out={out}",
    f"--json={report}",
  )  # fmt: skip
  assert code == 0 and "s1: 21 frames, 32x32 pixels" in text
  assert "held out: 4 frames" in text and "must lie on its line" in text
  names = {"contact_sheet.png", "camera_path.png", "epipolar.png"}
  assert {p.name for p in out.iterdir()} == names | {LIST_FILE}
  for name in names:
    assert np.ptp(read_image(out / name)) > 100
  found = json.loads(report.read_text())
  assert found["held_out"] == [2, 7, 12, 17]
  np.testing.assert_allclose(found["focal_pixels"], [28.8, 28.8], rtol=1e-5)
  first, second = found["epipolar"]["frames"]
  assert 0 <= first < second < 21
  expected = np.linalg.norm(
    np.diff(clips.poses(21, 1)[:, :3, 3], axis=0), axis=1
  )
  np.testing.assert_allclose(found["path_length"], expected.sum(), rtol=1e-5)


def test_large_frames_are_shown_smaller(tmp_path, capsys):
  builders.build(tmp_path / "big", clips.plan(scenes=1, frames=2, size=600))
  _run(capsys, tmp_path / "big", "--scene=0", f"--out={tmp_path / 'out'}")
  assert read_image(tmp_path / "out" / "contact_sheet.png").shape[1] < 640


def test_latents_have_statistics_and_a_path(prepared, tmp_path, capsys):
  codec = {
    "name": "block_dct", "spatial": 16, "channels": 8, "frames_per_latent": 1,
    "chunked": False,
  }  # fmt: skip
  codecs = dict.fromkeys(("context", "target"), get_codec(**codec))
  work = EncodingJob(
    dataset=records.Dataset(prepared),
    codecs=codecs,
    identities={p: identity(c, codec) for p, c in codecs.items()},
    sampler=ViewSampler.from_config(clips.data_config("", image_size=32)),
    options=LatentOptions(flipped=False),
  )
  latents.build(tmp_path / "latents", work)
  code, text, _ = _run(capsys, tmp_path / "latents")
  assert code == 0 and "scenes of latents" in text and "block_dct" in text
  out = tmp_path / "out"
  code, text, _ = _run(
    capsys, tmp_path / "latents", "--scene=0", f"--out={out}"
  )
  assert code == 0 and "context: 16 latents [2, 2, 8]" in text
  assert {p.name for p in out.iterdir()} == {"camera_path.png", LIST_FILE}
  code, _, err = _run(
    capsys, tmp_path / "latents", "--scene=0", "--epipolar", f"--out={out}"
  )
  assert code == 2 and "latents have no pictures" in err


@pytest.mark.parametrize(
  "arguments, message",
  [
    (["--scene=s9"], "scene 's9' is not there; use a number below 3"),
    (["--split=test"], "data.split: 'test'"),
    (["--epipolar"], "two frames of which --scene?"),
    (["--scene=0", "--epipolar", "3"], "give two frame numbers, or none"),
    (["--scene=0", "--epipolar", "3", "20"], "scene s0 has frames 0 to 19"),
    (["--scene=0", "--epipolar", "3", "3"], "from one point"),
    (["--nothing"], "--nothing"),
  ],
)
def test_bad_usage_is_one_line(prepared, tmp_path, capsys, arguments, message):
  out = tmp_path / "out"
  code, text, err = _run(capsys, prepared, *arguments, f"--out={out}")
  assert code == 2 and not text and message in err and err.count("\n") == 1
  assert not out.exists()
  code, _, err = _run(capsys, "/no/such")
  assert code == 2 and "/no/such" in err and "scenetok prepare" in err


def test_points_are_corners_and_their_lines_pass_through_them(tmp_path):
  image = np.full((60, 80, 3), 40, np.uint8)
  image[20:, 30:] = 220  # one corner of a bright square
  found = pictures.corners(image)
  assert len(found) == 12
  assert np.linalg.norm(found - [30, 20], axis=1).min() < 3
  # A camera that moved sideways: points stay on their row.
  poses = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
  poses[1, 0, 3] = 1
  intrinsics = np.array([[0.8, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], np.float32)
  cameras = Cameras(poses, np.tile(intrinsics, (2, 1, 1)))
  path = tmp_path / "lines.png"
  count = pictures.draw_epipolar(
    path, np.stack([image, image]), cameras, (0, 1)
  )
  assert count == 12 and read_image(path).shape[1] > 1000
