"""Conversion says which tokenizer a released generator belongs to."""

import pytest

from scenetok_jax import console
from scenetok_jax.cli import convert
from tests.cli import workdirs


@pytest.mark.slow
def test_convert_tells_whose_tokens_are_generated(tmp_path, capsys):
  def run(*argv):
    return console.run(convert.main, [str(a) for a in argv], "convert")

  first = workdirs.stage1(tmp_path / "stage1")
  second = workdirs.stage2(tmp_path / "stage2", first)
  for name, workdir in (
    ("va-videodc_re10k", first),
    ("va-videodc_re10k_scene", first),
    ("scenegen_shift4_re10k", second),
  ):
    file = tmp_path / f"{name}.safetensors"
    assert run("--export", "--workdir", workdir, "--out", file) == 0
  null = "--config.decoder.null_token=True"
  for name in ("va-videodc_re10k", "va-videodc_re10k_scene"):
    source = tmp_path / f"{name}.safetensors"
    options = ("--config=rooms:smoke", null, "--source", source)
    assert run(*options, "--out", tmp_path / name) == 0
  capsys.readouterr()
  options = (
    "--config=rooms:generator,smoke", null,
    "--source", tmp_path / "scenegen_shift4_re10k.safetensors",
  )  # fmt: skip
  given = f"--config.tokenizer_from={tmp_path}/va-videodc_re10k"
  assert run(*options, given, "--out", tmp_path / "a") == 2
  error = capsys.readouterr().err
  assert "generates tokens of va-videodc_re10k_scene.ckpt" in error
  assert run(*options, f"{given}_scene", "--out", tmp_path / "b") == 0
  told = capsys.readouterr().out
  assert "generate the tokens of va-videodc_re10k_scene.ckpt" in told
