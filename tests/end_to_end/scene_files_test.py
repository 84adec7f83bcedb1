"""From posed images to a scene file, and on without the images."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from scenetok_jax.cli import encode, generate, quality_speed, render
from scenetok_jax.media import write_png
from tests.cli import workdirs

FRAMES = 16


def frames(folder):
  return np.stack(
    [np.array(Image.open(f)) for f in sorted(folder.glob("*.png"))]
  )


@pytest.mark.slow
def test_encode_delete_render_generate(tmp_path):
  first = workdirs.stage1(tmp_path / "stage1")
  second = workdirs.stage2(tmp_path / "stage2", first)
  data = workdirs.rooms(tmp_path / "data", 1, FRAMES)
  scene = tmp_path / "room.tok"

  assert not encode.main(
    [f"--workdir={first}", f"--data={data}", "--scene=0", "--storage=int8",
     f"--out={scene}", f"--json={tmp_path / 'encode.json'}"]
  )  # fmt: skip
  told = json.loads((tmp_path / "encode.json").read_text())
  assert told["bytes"] == scene.stat().st_size

  assert not render.main(
    [f"--workdir={first}", f"--data={data}", "--scene=0", "--samples=2",
     "--trajectory=clip", f"--out={tmp_path / 'clip'}"]
  )  # fmt: skip
  told = json.loads((tmp_path / "clip" / "render.json").read_text())
  assert {"psnr", "ssim", "nearest_view_psnr", "variance"} <= told.keys()
  assert told["novel_frames"] == FRAMES - 3
  assert len(frames(tmp_path / "clip" / "deviation")) == FRAMES
  shutil.rmtree(data)

  for name in ("spline", "orbit", "dolly"):
    out = tmp_path / name
    assert not render.main(
      [f"--workdir={first}", f"--tokens={scene}", f"--trajectory={name}",
       f"--frames={FRAMES}", f"--out={out}"]
    )  # fmt: skip
    assert frames(out / "frames").shape == (FRAMES, 64, 64, 3)
    assert (out / "video.mp4").stat().st_size > 1000
    assert not list(out.glob("*.safetensors"))  # nothing left to continue
  assert (frames(tmp_path / "orbit/frames") != frames(out / "frames")).any()

  photo = tmp_path / "photo.png"
  write_png(photo, frames(tmp_path / "clip" / "frames")[0])
  new = tmp_path / "new"
  assert not generate.main(
    [f"--workdir={second}", f"--image={photo}", "--fov=60", "--anchors=look",
     "--seeds=4", f"--frames={FRAMES}", f"--out={new}"]
  )  # fmt: skip
  assert len(list(new.glob("video*.mp4"))) == 4
  assert (new / "contact_sheet.png").is_file()
  assert not render.main(
    [f"--workdir={first}", f"--tokens={new / 'scene_03.tok'}",
     "--trajectory=orbit", f"--frames={FRAMES}", f"--out={tmp_path / 'again'}"]
  )  # fmt: skip


@pytest.mark.slow
def test_quality_and_speed_are_drawn(tmp_path):
  first = workdirs.stage1(tmp_path / "stage1")
  data = workdirs.rooms(tmp_path / "data", 2, 10)
  assert not quality_speed.main(
    [f"--workdir={first}", f"--data={data}", "--scenes=2", "--steps", "1", "3",
     "--solvers", "euler", "heun", "--cache", "0.01", "1e6",
     f"--out={tmp_path / 'out'}", f"--json={tmp_path / 'told.json'}"]
  )  # fmt: skip
  told = json.loads((tmp_path / "out" / "quality_speed.json").read_text())
  assert json.loads((tmp_path / "told.json").read_text()) == told
  assert [row["evaluations"] for row in told["rows"]] == [1, 3, 1, 5]
  assert [row["agreement_psnr"] is None for row in told["rows"]] == [
    False, False, False, True
  ]  # fmt: skip
  *_, few = told["cache"]["rows"]
  steps = len(told["cache"]["ratios"])
  assert told["cache"]["rows"][0]["evaluations"] == steps > few["evaluations"]
  assert not render.main(
    [f"--workdir={first}", f"--data={data}", "--scene=0",
     f"--cache={tmp_path / 'out/cache_1e+06.json'}",
     f"--out={tmp_path / 'cached'}"]
  )  # fmt: skip
  assert set(told["storage"]) == {"float32", "bfloat16", "int8"}
  assert (tmp_path / "out" / "quality_speed.png").stat().st_size > 5000
