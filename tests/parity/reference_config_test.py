"""The release's settings become the fields that the defaults state."""

import dataclasses

import pytest

from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.generator.scenegen import SceneGen
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.parity import reference_config
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.types import InputError


def camera(name, patch, channels, embedding="lvsm"):
  return {
    "name": name,
    "input_shape": [128, 128],
    "normalize": name == "plucker",
    "embedding": {
      "name": embedding,
      "patch_size": patch,
      "in_channels": channels,
    },
  }


def size(width, depth, heads, patch, qk_norm):
  return {
    "hidden_size": width,
    "depth": depth,
    "num_heads": heads,
    "patch_size": patch,
    "use_qknorm": qk_norm,
    "use_swiglu": True,
    "use_rmsnorm": True,
    "use_rope_2d": not qk_norm,
  }


RELEASED = {
  "compressor": {
    "token_dim": 64,
    "num_scene_tokens": 512,
    "camera_conditioning": "adaLN",
    "scene_token_projection": "kl",
    "init_large": True,
    "camera": camera("ray", 16, 6),
    "kwargs": size(768, 12, 12, 2, False),
  },
  "denoiser": {
    "num_target_split": 1,
    "camera": camera("ray", 16, 24),
    "kwargs": size(1024, 24, 16, 1, True),
  },
  "scene_generator": {
    "camera_type": "avg_raymap",
    "camera": camera("plucker", 8, 6, "patch_embed"),
    "kwargs": size(1536, 24, 24, 1, True),
  },
  "num_target_latents_at_construction": 8,
}


def test_the_release_is_the_default_of_every_network():
  tokenizer = with_fields(
    Perceiver(), **reference_config.tokenizer_fields(RELEASED)
  )
  decoder = with_fields(
    RayConditionedDiT(), **reference_config.decoder_fields(RELEASED)
  )
  generator = with_fields(
    SceneGen(), **reference_config.generator_fields(RELEASED)
  )
  assert tokenizer == Perceiver()
  assert decoder == RayConditionedDiT()
  assert generator == SceneGen()


def test_wan_orders_its_camera_patches_as_the_release_does():
  config = RELEASED | {
    "using_wan": True,
    "temporal_downsample_at_construction": 1,
    "temporal_downsample_at_call": 4,
  }
  fields = reference_config.decoder_fields(config)
  assert fields["ray_patch_frames"] == 1
  assert fields["frames_per_latent"] == 4
  assert fields["chunked"]


@pytest.mark.parametrize(
  ("flags", "std"),
  [
    ({"init_large": True}, 5.0),
    ({"zero_init": True, "init_large": True}, 0.0),
    ({"init_large": False, "init_small": True}, 0.02),
    ({"init_large": False}, 1.0),
  ],
)
def test_the_flag_that_is_set_scales_the_tokens(flags, std):
  block = RELEASED["compressor"] | flags
  fields = reference_config.tokenizer_fields({"compressor": block})
  assert fields["token_init"] == std


def test_an_unknown_projection_is_named():
  block = RELEASED["compressor"] | {"scene_token_projection": "gated"}
  with pytest.raises(InputError, match="scene_token_projection: 'gated'"):
    reference_config.tokenizer_fields({"compressor": block})


def test_rays_without_an_embedding_are_single_patches():
  spec = reference_config.rays({"name": "ray", "input_shape": [8, 6]})
  assert dataclasses.astuple(spec)[:3] == ((8, 6), 1, "ray")
