"""What cuDNN's attention lacks is known before anything is compiled."""

import types

import pytest
from ml_collections import ConfigDict

from scenetok_jax.ops import compute
from scenetok_jax.types import InputError

H100 = types.SimpleNamespace(platform="gpu", compute_capability="9.0")
V100 = types.SimpleNamespace(platform="gpu", compute_capability="7.0")
AMD = types.SimpleNamespace(platform="gpu", compute_capability="gfx90a")
CPU = types.SimpleNamespace(platform="cpu")


def config(size=64, attention="auto", dtype="bfloat16"):
  return ConfigDict(
    {
      "dtype": dtype,
      "remat": "none",
      "attention": attention,
      "tokenizer": {"width": 128, "heads": 2},
      "decoder": {"width": 3 * size, "heads": 3},
    }
  )


@pytest.mark.parametrize("size", [8, 64, 72, 128])
@pytest.mark.parametrize("device", [H100, CPU])
def test_cudnn_has_what_it_has(size, device):
  said = config(size, "cudnn")
  assert compute.cudnn_lack(said, device, "bfloat16") is None
  assert compute.Compute.of(said, lambda: device).attention == "cudnn"


@pytest.mark.parametrize(
  "size, dtype, device, lack",
  [
    (64, "float32", H100, "no float32, only --config.dtype=bfloat16"),
    (64, "float32", CPU, "no float32"),
    (60, "bfloat16", H100, "no heads of 60, only multiples of 8 up to 128"),
    (136, "bfloat16", CPU, "no heads of 136"),
    (64, "bfloat16", V100, "no GPU 7.0, only NVIDIA's of capability 8.0"),
    (64, "bfloat16", AMD, "no GPU gfx90a"),
  ],
)
def test_what_it_lacks_is_said(size, dtype, device, lack):
  chosen = compute.Compute.of(config(size, dtype=dtype), lambda: device)
  assert chosen.attention == "xla"
  assert compute.cudnn_lack(config(size), device, dtype).startswith(lack)
  said = config(size, "cudnn", dtype)
  with pytest.raises(InputError, match=f"^config.attention: cudnn has {lack}"):
    compute.Compute.of(said, lambda: device)


def test_jax_refuses_the_same_heads():
  # Its own check, of a GPU for which it knows no capability.
  from jax._src.cudnn import fused_attention_stablehlo as cudnn

  for size in range(4, 264, 4):
    array = types.SimpleNamespace(shape=(1, 16, 2, size))
    layout = cudnn.AttentionLayout.BTNH.value
    lack = compute.cudnn_lack(config(size), CPU, "bfloat16")
    try:
      cudnn.check_is_flash_attention(
        array, array, array, layout, 91000, False, True
      )
    except NotImplementedError:
      assert lack
    else:
      assert lack is None
