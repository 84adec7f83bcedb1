"""`scenetok render`: what it refuses, in one line and with exit code 2."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from scenetok_jax import console
from scenetok_jax.cli import render
from scenetok_jax.geometry.trajectories import dolly
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.sampling.scene_file import Scene, codec_digest
from scenetok_jax.types import Cameras
from tests import networks
from tests.camera_json import write_cameras
from tests.cli import workdirs
from tests.sampling.models import tokens


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  return workdirs.stage1(tmp_path_factory.mktemp("render") / "stage1")


@pytest.fixture(scope="module")
def scene(workdir):
  """A scene of random tokens that belongs to the workdir."""
  scenetok = SceneTok.from_pretrained(str(workdir))
  cameras = jax.tree.map(lambda a: a[0], networks.cameras(1, 1, 3))
  return Scene(
    key="room",
    tokens=tokens(scenetok.model, 1)[0],
    reference=cameras.extrinsics[1],
    context=cameras,
    model=scenetok.digest,
    codec=codec_digest(scenetok.model.target_codec),
  )


@pytest.fixture
def refuse(workdir, scene, tmp_path, capsys):
  """Runs `render --tokens` with more options; returns the error's line."""
  path = tmp_path / "scene.tok"

  def run(*options, scene=scene, out=tmp_path / "out", cut=0):
    scene.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - cut])
    code = console.run(
      render.main,
      [f"--workdir={workdir}", f"--tokens={path}", f"--out={out}", *options],
    )
    message = capsys.readouterr().err
    assert code == 2, message
    assert message.count("\n") == 1
    return message

  return run


def trajectory(folder, poses):
  path = folder / "path.json"
  lens = np.repeat(np.diag([1.0, 1.0, 1.0])[None], len(poses), axis=0)
  write_cameras(Cameras(poses, lens), path)
  return f"--trajectory={path}"


def test_a_trajectory_with_nan_is_refused(refuse, tmp_path):
  poses = dolly(np.eye(4), 1.0, 8)
  poses[3, 0, 3] = np.nan
  message = refuse(trajectory(tmp_path, poses))
  assert "path.json: extrinsics: frame 3: the pose holds NaN" in message


def test_a_left_handed_trajectory_is_refused(refuse, tmp_path):
  poses = dolly(np.eye(4), 1.0, 8)
  poses[:, 0, 0] = -1
  message = refuse(trajectory(tmp_path, poses))
  assert "frame 0: the rotation has determinant -1" in message


def test_fewer_frames_than_a_window_are_refused(refuse, tmp_path):
  message = refuse(trajectory(tmp_path, dolly(np.eye(4), 1.0, 4)))
  assert "4 frames are fewer than one window of 6" in message
  assert "at least 5" in refuse("--trajectory=context", "--frames=4")


def test_files_of_another_model_or_codec_are_refused(refuse, scene):
  other = dataclasses.replace(scene, model="0" * 64)
  assert "model: made by another checkpoint" in refuse(scene=other)
  other = dataclasses.replace(scene, codec="0" * 64)
  assert "codec: made for another codec" in refuse(scene=other)


def test_a_truncated_scene_file_is_refused(refuse):
  assert "scene.tok: not a whole scene file" in refuse(cut=50)


def test_an_unwritable_folder_is_refused_before_rendering(refuse, tmp_path):
  (tmp_path / "file").write_text("")
  assert "--out: a file of that name" in refuse(out=tmp_path / "file")
  assert "cannot be written" in refuse(out=tmp_path / "file" / "below")


def test_options_that_make_no_sense_are_refused(refuse):
  assert "'fly' is not one of clip, context" in refuse("--trajectory=fly")
  assert "holds no clip" in refuse("--trajectory=clip")
  assert "--frames: invalid value" in refuse("--frames=0")
  assert "--steps: invalid value" in refuse("--steps=0")
  assert "--samples: invalid value" in refuse("--samples=0")
  assert "must rise within 0 and 1" in refuse("--interval", "0.9", "0.1")
  assert "give one of the three" in refuse("--scene=0")
  assert "--distance: invalid value" in refuse("--distance=nan")


def test_guidance_needs_a_null_token(workdir, scene, tmp_path, capsys):
  config = json.loads((workdir / "config.json").read_text())
  config["decoder"]["null_token"] = False
  folder = tmp_path / "plain"
  folder.mkdir()
  (folder / "config.json").write_text(json.dumps(config))
  (folder / "params.safetensors").symlink_to(workdir / "params.safetensors")
  code = console.run(
    render.main,
    [
      f"--workdir={folder}",
      "--tokens=x",
      "--guidance=2",
      f"--out={tmp_path}/o",
    ],
  )
  assert code == 2
  assert "needs a renderer trained with" in capsys.readouterr().err
