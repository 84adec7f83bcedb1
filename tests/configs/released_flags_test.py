"""The release's known bugs are switched on where its checkpoints need them."""

import pytest

from scenetok_jax.workdir.config import load_config

FOCAL = (15.0, 8.4375)  # 3840 / 256, 2160 / 256


def scales(spec):
  config = load_config(spec)
  networks = (config.tokenizer, config.decoder)
  found = [tuple(net.rays.get("scale", (1.0, 1.0))) for net in networks]
  return (*found, config.decoder.get("ray_patch_frames"))


@pytest.mark.parametrize(
  ("spec", "tokenizer", "decoder", "order"),
  [
    ("scenetok_dl3dv_videodc.py", FOCAL, FOCAL, None),
    ("scenetok_dl3dv_videodc.py:shift4", FOCAL, FOCAL, None),
    ("scenetok_dl3dv_videodc.py:fixed", (1, 1), (1, 1), None),
    ("scenetok_dl3dv_videodc.py:scratch", (1, 1), (1, 1), None),
    ("scenetok_dl3dv_wan.py", FOCAL, (1, 1), 1),
    ("scenetok_dl3dv_wan.py:shift8", FOCAL, (1, 1), None),
    ("scenetok_re10k.py", (1, 1), (1, 1), None),
    ("scenegen_re10k.py", (1, 1), (1, 1), None),
  ],
)
def test_focal_scaling_and_channel_order(spec, tokenizer, decoder, order):
  assert scales(f"configs/{spec}") == (tokenizer, decoder, order)


@pytest.mark.parametrize("name", ["videodc", "wan"])
def test_fine_tuning_takes_what_fits(name):
  assert load_config(f"configs/scenetok_dl3dv_{name}.py").restore_partial
