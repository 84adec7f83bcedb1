"""Rename rules of the layers of the autoencoders."""

from scenetok_jax.convert.engine import Rule
from scenetok_jax.convert.layers import Rules, same


def _layer(torch: str, flax: str, pattern: str, bias: bool) -> Rules:
  kernel = Rule(f"{torch}.weight", (f"{flax}/kernel",), pattern)
  return (kernel, *(same(f"{torch}.bias", f"{flax}/bias") if bias else ()))


def conv2d(torch: str, flax: str, *, bias: bool = True) -> Rules:
  """Convolution [out in p q] <-> kernel [p q in out]."""
  return _layer(torch, flax, "o i p q -> p q i o", bias)


def conv3d(torch: str, flax: str, *, bias: bool = True) -> Rules:
  """Convolution [out in t p q] <-> kernel [t p q in out]."""
  return _layer(torch, flax, "o i t p q -> t p q i o", bias)


def point2d(torch: str, flax: str, *, bias: bool = True) -> Rules:
  """1x1 convolution [out in 1 1] <-> kernel [in out]."""
  return _layer(torch, flax, "o i 1 1 -> i o", bias)


def point3d(torch: str, flax: str, *, bias: bool = True) -> Rules:
  """1x1x1 convolution [out in 1 1 1] <-> kernel [in out]."""
  return _layer(torch, flax, "o i 1 1 1 -> i o", bias)


def depthwise(torch: str, flax: str, *, bias: bool = True) -> Rules:
  """Depthwise convolution [c 1 t p q] <-> kernel [t p q c]."""
  return _layer(torch, flax, "c 1 t p q -> t p q c", bias)


def norm(torch: str, flax: str) -> Rules:
  """Norm with weight and bias."""
  return (
    *same(f"{torch}.weight", f"{flax}/scale"),
    *same(f"{torch}.bias", f"{flax}/bias"),
  )
