"""The published configurations have exactly the published parameter counts."""

from pathlib import Path
from typing import Any

import jax
import pytest

from scenetok_jax.model import build, init_generator, init_stage1
from scenetok_jax.workdir.config import load_config

CONFIGS = Path(__file__).parents[2] / "configs"
ENCODER_512, ENCODER_1024 = 238_013_824, 238_407_040
VIDEO_DC_AE, WAN = 564_188_256, 559_305_744
NULL_TOKEN = 1024


def count(tree: Any) -> int:
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
  "spec, encoder, decoder",
  [
    ("scenetok_re10k.py", ENCODER_512, VIDEO_DC_AE),
    ("scenetok_re10k.py:shifted", ENCODER_512, VIDEO_DC_AE),
    ("scenetok_dl3dv_videodc.py", ENCODER_1024, VIDEO_DC_AE),
    ("scenetok_dl3dv_videodc.py:scratch", ENCODER_1024, VIDEO_DC_AE),
    ("scenetok_dl3dv_wan.py", ENCODER_1024, WAN),
    ("scenetok_dl3dv_wan.py:shift8", ENCODER_1024, WAN),
  ],
)
@pytest.mark.parametrize("null_token", [False, True])
def test_stage1_counts(spec, encoder, decoder, null_token):
  config = load_config(
    f"{CONFIGS}/{spec}", [f"--config.decoder.null_token={null_token}"]
  )
  model = build(config)
  params = jax.eval_shape(
    lambda key: init_stage1(model, key), jax.random.key(0)
  )
  assert count(params["tokenizer"]) == encoder
  assert count(params["decoder"]) == decoder + null_token * NULL_TOKEN


@pytest.mark.parametrize("variant", ["shift1", "shift4", "shift12"])
def test_stage2_counts(variant):
  config = load_config(f"{CONFIGS}/scenegen_re10k.py:{variant}")
  model = build(config)
  params = jax.eval_shape(
    lambda key: init_generator(model, key, config.generation.anchors),
    jax.random.key(0),
  )
  assert count(params["generator"]) == 1_256_236_096


def test_the_papers_tokenizer_has_1024_tokens_of_32_channels():
  config = load_config(f"{CONFIGS}/scenetok_re10k_paper.py")
  model = build(config)
  tokens = jax.eval_shape(
    lambda key: init_stage1(model, key), jax.random.key(0)
  )["tokenizer"]
  assert tokens["scene_tokens"].shape == (1024, 768)
  assert tokens["head"]["kernel"].shape == (768, 32)
