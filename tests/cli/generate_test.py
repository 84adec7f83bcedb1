"""`scenetok generate`: posing photos, and what it refuses."""

import json

import numpy as np
import pytest

from scenetok_jax import console, outputs
from scenetok_jax.cli import generate
from scenetok_jax.inference import conditions, pictures
from scenetok_jax.inference.conditions import ConditionChoice
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import write_png
from scenetok_jax.types import InputError
from tests.cli import workdirs


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
  """(stage-1 workdir, stage-2 workdir, photo of 200 x 100 pixels)."""
  root = tmp_path_factory.mktemp("generate")
  first = workdirs.stage1(root / "stage1")
  second = workdirs.stage2(root / "stage2", first)
  rng = np.random.default_rng(0)
  write_png(root / "photo.png", rng.integers(0, 255, (100, 200, 3), np.uint8))
  return first, second, root / "photo.png"


@pytest.fixture(scope="module")
def scenetok(folders):
  return SceneTok.from_pretrained(str(folders[1]))


def test_a_photo_is_cropped_to_a_square_with_its_field_of_view(
  scenetok, folders
):
  given = conditions.open_conditions(
    scenetok, ConditionChoice(image=(str(folders[2]),), fov=90.0)
  )
  assert given.views.images.shape == (1, 64, 64, 3)
  np.testing.assert_array_equal(given.views.cameras.extrinsics[0], np.eye(4))
  # 90 degrees across 200 pixels: a focal length of 100, the crop's side.
  expected = [[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]
  np.testing.assert_allclose(
    given.views.cameras.intrinsics[0], expected, atol=1e-6
  )


@pytest.mark.parametrize(
  ("count", "cameras", "fov", "message"),
  [
    (1, None, None, "--cameras, --fov: give one of the two"),
    (2, None, 60.0, "--fov: 2 photos need their poses"),
    (1, None, 190.0, "--fov: 190 is not a horizontal field of view"),
    (2, "one.json", None, "one.json: 1 cameras for 2 images"),
  ],
)
def test_photos_that_do_not_fit(
  scenetok, folders, tmp_path, count, cameras, fov, message
):
  if cameras:
    content = {"extrinsics": [np.eye(4).tolist()], "intrinsics": [
      [[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]
    ]}  # fmt: skip
    (tmp_path / cameras).write_text(json.dumps(content))
    cameras = str(tmp_path / cameras)
  with pytest.raises(InputError, match=message):
    images = (str(folders[2]),) * count
    choice = ConditionChoice(image=images, cameras=cameras, fov=fov)
    conditions.open_conditions(scenetok, choice)


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ((), "--image, --scene: give one of the two"),
    (("--image=PHOTO", "--fov=60", "--seeds=0"), "--seeds: invalid value"),
    (("--image=PHOTO", "--fov=60", "--anchors=fly"), "'fly' is not one of"),
    (("--image=PHOTO", "--fov=60", "--anchors=scene"), "no path of their own"),
    (("--image=PHOTO", "--fov=60", "--frames=3"), "fewer than one window"),
    (("--image=none.png", "--fov=60"), "none.png: no such image"),
  ],
)
def test_bad_usage_is_one_line(folders, tmp_path, capsys, options, message):
  _, workdir, photo = folders
  options = [option.replace("PHOTO", str(photo)) for option in options]
  code = console.run(
    generate.main, [f"--workdir={workdir}", f"--out={tmp_path}", *options]
  )
  error = capsys.readouterr().err
  assert code == 2 and message in error, error
  assert error.count("\n") == 1


def test_a_stage_1_workdir_is_refused(folders, tmp_path, capsys):
  code = console.run(
    generate.main,
    [f"--workdir={folders[0]}", f"--image={folders[2]}", "--fov=60",
     f"--out={tmp_path}"],
  )  # fmt: skip
  assert code == 2
  assert "generating needs a stage-2 workdir" in capsys.readouterr().err


def test_an_unwritable_folder_is_refused_at_once(folders, tmp_path, capsys):
  (tmp_path / "file").write_text("")
  options = [f"--workdir={folders[1]}", f"--image={folders[2]}", "--fov=60"]
  for out in ("file", "file/below"):
    code = console.run(generate.main, [*options, f"--out={tmp_path / out}"])
    error = capsys.readouterr().err
    assert code == 2 and str(tmp_path / "file") in error
    assert error.count("\n") == 1


def test_left_overs_of_more_samples_are_cleared(tmp_path):
  users = ("notes.txt", "frames_01/mine.txt", "video_of_mine.mp4")
  for name in users:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
  videos = np.zeros((2, 2, 16, 16, 3), np.uint8)
  with outputs.opened(tmp_path, pictures.FILES) as out:
    pictures.write_videos(out, videos)
    pictures.write_frames(out, "deviation", videos[0])
    pictures.write_videos(out, videos[:1, :1])
  found = {
    path.relative_to(tmp_path).as_posix()
    for path in tmp_path.rglob("*")
    if path.is_file()
  }
  written = {"video.mp4", "frames/0000.png", outputs.LIST_FILE}
  assert found == {*users, *written}
  assert not (tmp_path / "deviation").exists()
