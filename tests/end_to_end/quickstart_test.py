"""The quickstart's commands run, and its report has the promised keys."""

import json

import pytest

from scenetok_jax.cli import quickstart


@pytest.mark.slow
def test_smoke_quickstart_writes_its_report(tmp_path):
  assert not quickstart.main(["--smoke", "--out", str(tmp_path)])
  result = json.loads((tmp_path / "quickstart.json").read_text())
  assert result["scenes"] == 2
  assert {
    "psnr", "one_step_psnr", "ssim", "nearest_view_psnr", "mean_view_psnr",
    "codec_ceiling_psnr", "seconds",
  } <= result.keys()  # fmt: skip
  assert {
    "loss_first", "loss_last", "psnr", "conditioning_gap_db",
  } <= result["from_scratch"].keys()  # fmt: skip
  assert (tmp_path / "index.html").is_file()
  for verb in ("render", "generate"):
    for name in ("video.mp4", "contact_sheet.png", f"{verb}.json"):
      assert (tmp_path / verb / name).is_file(), f"{verb}/{name}"
    assert list((tmp_path / verb / "frames").glob("*.png"))
