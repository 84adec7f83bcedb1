"""`scenetok prepare`: one command, a report, one line when it refuses."""

import json

import numpy as np
import pytest
from PIL import Image

from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.cli import prepare
from tests.data_pipelines import clips


def _run(capsys, *argv):
  """(exit code, stdout, stderr) of `scenetok prepare ARGV`."""
  code = console.run(prepare.main, [str(a) for a in argv], "prepare")
  captured = capsys.readouterr()
  return code, captured.out, captured.err


_ROOMS = ("--dataset=rooms", "--frames=3", "--size=16", "--workers=0")


def test_rooms_are_prepared_split_by_split(tmp_path, capsys):
  report = tmp_path / "report.json"
  for split, scenes in (("train", 2), ("test", 1)):
    code, out, _ = _run(
      capsys,
      *_ROOMS,
      f"--out={tmp_path / 'rooms'}",
      f"--split={split}",
      f"--scenes={scenes}",
      f"--json={report}",
    )
    assert code == 0 and f"{scenes} of {scenes} scenes" in out
    assert json.loads(report.read_text())["kept"] == scenes
  merged = json.loads((tmp_path / "rooms" / "report.json").read_text())
  assert (merged["seen"], merged["kept"], merged["dropped"]) == (3, 3, [])
  train = {row.key for row in Dataset(tmp_path / "rooms").scenes}
  test = {row.key for row in Dataset(tmp_path / "rooms", "test").scenes}
  assert len(train) == 2 and len(test) == 1 and not train & test


def test_preparing_twice_changes_nothing(tmp_path, capsys):
  arguments = (*_ROOMS, f"--out={tmp_path}", "--scenes=1")
  assert _run(capsys, *arguments)[0] == 0
  before = {p: p.stat().st_mtime_ns for p in (tmp_path / "train").iterdir()}
  code, out, _ = _run(capsys, *arguments)
  assert code == 0 and "already prepared" in out
  code, _, err = _run(capsys, *arguments, "--seed=1")
  assert code == 2 and "options.seed" in err and "nothing was over" in err
  after = {p: p.stat().st_mtime_ns for p in (tmp_path / "train").iterdir()}
  assert before == after


def test_a_capture_is_prepared_with_held_out_frames(tmp_path, capsys):
  clips.write_capture(tmp_path / "mine", frames=10)
  code, _, _ = _run(
    capsys,
    "--dataset=capture",
    f"--source={tmp_path / 'mine'}",
    f"--out={tmp_path / 'out'}",
    "--size=24",
    "--holdout-every=5",
    "--frames-left-out=0",
    "--image-format=png",
  )
  assert code == 0
  dataset = Dataset(tmp_path / "out")
  assert dataset.scenes[0].key == "mine"
  assert dataset.scenes[0].held_out == (0, 2, 7)
  images, _ = dataset.read_frames(0, [4])
  assert images.shape == (1, 24, 24, 3)
  np.testing.assert_array_equal(images[0, :, -1, 1], 80)


@pytest.mark.parametrize(
  "arguments, message",
  [
    (["--dataset=capture"], "--source"),
    (["--dataset=capture", "--source=/no/such"], "/no/such: --source"),
    (["--dataset=rooms", "--source=here"], "--source"),
    (["--dataset=rooms", "--scenes=0"], "--scenes: invalid value"),
    (["--dataset=rooms", "--frames=1"], "--frames=1"),
    (["--dataset=rooms", "--size=4"], "--size=4"),
    (["--dataset=rooms", "--workers=-1"], "--workers: invalid value"),
    (["--dataset=rooms", "--split=../up"], "--split"),
    (["--dataset=rooms", "--holdout-every=1"], "holdout-every=1"),
    (["--dataset=imagenet"], "imagenet"),
    (["--dataset=rooms", "--no-such-option"], "--no-such-option"),
    ([], "--dataset"),
  ],
)
def test_bad_usage_is_one_line_and_writes_nothing(
  tmp_path, capsys, arguments, message
):
  code, out, err = _run(capsys, f"--out={tmp_path / 'out'}", *arguments)
  assert code == 2 and not out
  assert message in err and err.count("\n") == 1
  assert not (tmp_path / "out").exists()


def _nan_pose(folder, frame):
  frame["transform_matrix"][0][0] = float("nan")


def _scaled_pose(folder, frame):
  frame["transform_matrix"][0][0] *= 2
  frame["transform_matrix"][0][1] += 1


def _no_image(folder, frame):
  (folder / frame["file_path"]).unlink()


def _broken_jpeg(folder, frame):
  path = folder / frame["file_path"]
  Image.effect_noise((40, 30), 80).save(path.with_suffix(".jpg"))
  path.unlink()
  frame["file_path"] = frame["file_path"].replace(".png", ".jpg")
  data = path.with_suffix(".jpg").read_bytes()
  path.with_suffix(".jpg").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
  "damage, parts",
  [
    (_nan_pose, ("transforms.json", "transform_matrix", "frame 2", "remove")),
    (_scaled_pose, ("transform_matrix", "frame 2", "not orthonormal")),
    (_no_image, ("transforms.json", "frames[2].file_path", "add the image")),
    (_broken_jpeg, ("images/frame_2.jpg", "cannot be decoded", "replace it")),
  ],
)
def test_a_bad_capture_is_one_line_and_writes_nothing(
  tmp_path, capsys, damage, parts
):
  document = clips.write_capture(tmp_path / "mine")
  damage(tmp_path / "mine", document["frames"][2])
  clips.write_transforms(tmp_path / "mine", document)
  code, out, err = _run(
    capsys,
    "--dataset=capture",
    f"--source={tmp_path / 'mine'}",
    f"--out={tmp_path / 'out'}",
    "--size=24",
  )
  assert code == 2 and not out and err.count("\n") == 1
  for part in parts:
    assert part in err
  assert not (tmp_path / "out").exists()


def test_help_is_there(capsys):
  with pytest.raises(SystemExit) as stop:
    prepare.main(["--help"])
  assert stop.value.code == 0
  text = capsys.readouterr().out
  assert "--holdout-every" in text and "rooms" in text
