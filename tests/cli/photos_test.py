"""Photos or a video in, an orbit out: one command."""

import json

import pytest
from PIL import Image

from scenetok_jax import console
from scenetok_jax.cli import encode, render
from scenetok_jax.inference.scene_choice import SceneChoice
from scenetok_jax.media import write_mp4
from scenetok_jax.types import InputError
from tests import textured_box
from tests.cli import workdirs

_SCALE = 3


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  return workdirs.stage1(tmp_path_factory.mktemp("photos") / "stage1")


def _box(folder):
  folder.mkdir()
  for i, image in enumerate(textured_box.frames(_SCALE)):
    Image.fromarray(image).save(folder / f"{i}.png")


def test_poses_are_estimated_of_a_capture_alone():
  with pytest.raises(InputError, match="give the photos as --capture"):
    SceneChoice(scene="0", estimate_poses="poses")


@pytest.mark.parametrize("verb", [render, encode])
def test_a_video_or_photos_without_poses_name_the_flag(
  workdir, tmp_path, capsys, verb
):
  write_mp4(tmp_path / "walk.mp4", textured_box.frames())
  (tmp_path / "mine").mkdir()
  Image.new("RGB", (32, 32)).save(tmp_path / "mine" / "photo.png")
  for source in (tmp_path / "walk.mp4", tmp_path / "mine"):
    arguments = [f"--workdir={workdir}", f"--capture={source}"]
    code = console.run(verb.main, [*arguments, f"--out={tmp_path / 'out'}"])
    told = capsys.readouterr().err
    assert code == 2 and "--estimate-poses" in told and told.count("\n") == 1


def test_poses_do_not_go_where_photos_are(workdir, tmp_path, capsys):
  _box(tmp_path / "box")
  arguments = [f"--workdir={workdir}", f"--capture={tmp_path / 'box'}"]
  arguments += [f"--estimate-poses={tmp_path / 'box'}", "--out=out"]
  assert console.run(render.main, arguments) == 2
  assert "is, holds or lies in what --capture" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["photos", "video"])
def test_photos_in_orbit_out(workdir, tmp_path, capsys, kind):
  pytest.importorskip("pycolmap", reason="extra `colmap` is not installed")
  source = tmp_path / "box"
  if kind == "video":
    source = tmp_path / "box.mp4"
    write_mp4(source, textured_box.frames(_SCALE))
  else:
    _box(source)
  poses, out = tmp_path / "poses", tmp_path / "out"
  arguments = [
    f"--workdir={workdir}", f"--capture={source}", f"--estimate-poses={poses}",
    "--trajectory=orbit", "--frames=6", "--steps=1", f"--out={out}",
  ]  # fmt: skip
  assert console.run(render.main, arguments) == 0
  assert "8 of 8 pictures placed" in capsys.readouterr().err
  assert json.loads((out / "render.json").read_text())["scene"] == "box"
  assert len(list((out / "frames").iterdir())) == 6
  # The estimate is a capture, which is read as it is.
  again = [f"--workdir={workdir}", f"--capture={poses}", "--frames=6"]
  again += ["--trajectory=orbit", "--steps=1", f"--out={tmp_path / 'again'}"]
  assert console.run(render.main, again) == 0
  one, two = (tmp_path / n / "frames/0003.png" for n in ("out", "again"))
  assert one.read_bytes() == two.read_bytes()
