"""Old names of configuration fields go on being understood, with one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import to_plain
from scenetok_jax.model import identity_cameras
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.fields import RENAMED
from scenetok_jax.workdir.stored_config import compare_config, store_config

# Written before decoder.order_frames, decoder.rope_split and sampling.clean
# were renamed: configs/scenetok_dl3dv_wan.py:smoke, smaller still.
OLD = Path(__file__).parent / "data" / "before_renames"
SMALL = [
  f"--config.{net}.{field}"
  for net in ("tokenizer", "decoder")
  for field in ("width=16", "depth=1", "heads=1")
]


def linear(*shape):
  values = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32)
  return values.reshape(shape)


def test_a_workdir_made_before_opens_and_computes_what_it_did(capsys):
  scenetok = SceneTok.from_pretrained(OLD)
  lines = capsys.readouterr().err.splitlines()
  assert len(lines) == 1 and lines[0].startswith(str(OLD / "config.json"))
  for old, new in RENAMED.items():
    assert f"{old} is now {new}" in lines[0]
  model = scenetok.model
  assert RenderOptions.of(scenetok.config.sampling).overlap == 5
  shape = (1, model.num_targets, *model.latent_shape(model.target_codec))
  velocity = model.decoder.apply(
    {"params": scenetok.params["decoder"]},
    linear(*shape),
    np.full(shape[:2], 500.0, np.float32),
    identity_cameras(1, model.target_codec.frames(model.num_targets)),
    linear(1, model.tokenizer.num_tokens, model.tokenizer.token_channels),
  )
  # Printed by the code of that time.
  found = [np.abs(velocity).mean(), *velocity[0, 3, 0, 0, :4]]
  expected = [0.0921245, -0.0644879, 0.0722905, 0.0268754, 0.1886904]
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_run_started_before_goes_on_with_todays_config(tmp_path):
  shutil.copy(OLD / "config.json", tmp_path)
  config = load_config("configs/scenetok_dl3dv_wan.py:smoke", SMALL)
  compare_config(tmp_path, config.to_dict())
  store_config(tmp_path, config.to_dict())
  stored = json.loads((tmp_path / "config.json").read_text())
  assert stored == to_plain(config.to_dict())
  shutil.copy(OLD / "config.json", tmp_path)
  with config.unlocked():
    config.decoder.rope_parts = 1
  with pytest.raises(InputError, match=r"decoder\.rope_parts is 2 there"):
    compare_config(tmp_path, config.to_dict())


@pytest.mark.parametrize("override", ["=3", " 3"])
def test_an_override_may_use_an_old_name(capsys, override):
  arguments = f"--config.decoder.rope_split{override}".split()
  config = load_config("configs/scenetok_re10k.py", arguments)
  assert config.decoder.rope_parts == 3
  assert "rope_split" not in config.decoder
  assert capsys.readouterr().err == (
    "--config.decoder.rope_split: old names of fields: decoder.rope_split is"
    " now decoder.rope_parts\n"
  )


def test_a_config_file_may_set_an_old_name(tmp_path, capsys):
  file = tmp_path / "mine.py"
  file.write_text(
    "from configs import common\n"
    'def get_config(variant=""):\n'
    '  config = common.base("tokenizer")\n'
    "  config.sampling.clean = 3\n"
    "  return config\n"
  )
  config = load_config(str(file))
  assert config.sampling.overlap == 3 and "clean" not in config.sampling
  assert "sampling.clean is now sampling.overlap" in capsys.readouterr().err
  assert load_config("configs/scenetok_re10k.py").sampling.overlap == 4
  assert capsys.readouterr().err == ""
