"""A renderer is tuned to average velocities from what another run learned."""

import numpy as np
import pytest

from scenetok_jax.cli import train
from scenetok_jax.convert.engine import flatten
from scenetok_jax.workdir.checkpoint import restore_params
from tests.cli import workdirs


@pytest.mark.slow
def test_a_run_is_tuned_to_average_velocities(tmp_path, capsys):
  data = workdirs.rooms(tmp_path / "data", 2, 16)
  base = workdirs.stage1(tmp_path / "base")
  arguments = [
    "--config=configs/rooms.py:few_step,smoke", f"--config.restore={base}",
    f"--config.data.path={data}", "--config.data.split=test",
    f"--workdir={tmp_path / 'tuned'}", "--config.train.eval_every=0",
  ]  # fmt: skip
  assert train.main(arguments) == 0
  told = capsys.readouterr().err
  assert "4 not in the checkpoint" in told and "decoder/interval/up" in told
  runs = (base, tmp_path / "tuned")
  before, after = (flatten(restore_params(run)) for run in runs)
  new = {name for name in after if name not in before}
  assert {name.rpartition("/")[0] for name in new} == {
    "decoder/interval/up", "decoder/interval/down",
  }  # fmt: skip
  assert np.any(after["decoder/interval/down/kernel"])
  for name, array in after.items():
    if name.startswith("tokenizer/"):
      np.testing.assert_array_equal(array, before[name])
