"""Named structs shared by every layer, with the glossary of axis letters.

Axis letters used in every docstring of the package:
  B batch, V views, T frames, L latents in time, H W pixels, h w latent grid,
  C channels, N scene tokens, D width, R channels of a ray map.
"""

import contextlib
import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import flax.struct
import jax.numpy as jnp

_MAX_KEY = 200  # bytes, so that KEY.png is the name of a file

AUTO = "auto"  # in a field of a configuration: what suits the devices
Array = Any  # jax.Array, np.ndarray or an abstract value with shape and dtype


class InputError(ValueError):
  """Bad user input; the message names the file, the field and the remedy.

  Command-line entry points print it as one line and exit with code 2.
  """


def check_known(value: Any, known: Collection[Any], what: str) -> None:
  """InputError that lists what is known, where a value is not among it."""
  if value not in known:
    names = ", ".join(map(str, known))
    raise InputError(f"{what}: {value!r} is not one of {names}")


def check_key(key: Any, what: str = "scene") -> str:
  """A key, which names files, as it is; else InputError that starts with what.

  It is one plain printable name, of 200 bytes at most: no folders, nothing
  hidden.
  """
  text = key if isinstance(key, str) else ""
  plain = text.isprintable() and not {"/", "\\"} & set(text)
  if not text or not plain or text[0] == "." or len(text.encode()) > _MAX_KEY:
    shown = ascii(key)
    shown = shown if len(shown) <= _MAX_KEY else f"{shown[:_MAX_KEY]}..."
    raise InputError(f"{what} {shown}: key: not a plain name; rename it")
  return text


@contextlib.contextmanager
def explained(
  problem: str, remedy: str, *kinds: type[Exception]
) -> Iterator[None]:
  """InputError "PROBLEM (the error); REMEDY" for errors of these kinds.

  InputErrors, which are ValueErrors, pass.
  """
  try:
    yield
  except InputError:
    raise
  except kinds as error:
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    raise InputError(f"{problem} ({text[:200]}); {remedy}") from error


@contextlib.contextmanager
def naming(where: str) -> Iterator[None]:
  """InputErrors inside start with where they come from."""
  try:
    yield
  except InputError as error:
    raise InputError(f"{where}: {error}") from None


def option(default: Any, help: str, **more: Any) -> Any:
  """A field of an options dataclass that commands offer as a flag.

  default: of the field and of the flag. help: one line, with the unit. **more:
  what argparse takes, such as choices or metavar; flag="--name" where the flag
  is not the field's name; aliases=("--old-name",); elsewhere="why others lack
  it" for flags.take_given.
  """
  return dataclasses.field(default=default, metadata={"help": help, **more})


@flax.struct.dataclass
class Cameras:
  """Posed pinhole cameras.

  extrinsics: [..., V, 4, 4] float32 camera-to-world, OpenCV axes
    (x right, y down, z forward).
  intrinsics: [..., V, 3, 3] float32, fx and cx divided by the image width,
    fy and cy by the image height.
  """

  extrinsics: Array
  intrinsics: Array


@flax.struct.dataclass
class Views:
  """Posed views: pixels, or the latents of a frozen codec.

  images: uint8 [..., V, H, W, 3].
  latents: [..., L, h, w, C] as the codec stores them (before scaling).
  Exactly one of the two is present. There is one camera per frame, also when
  a latent covers several frames.
  """

  cameras: Cameras
  images: Array | None = None
  latents: Array | None = None


@flax.struct.dataclass
class SceneBatch:
  """One training or evaluation example, or a batch of them.

  condition holds the posed views that SceneGen is conditioned on.
  """

  context: Views
  target: Views
  condition: Views | None = None


@flax.struct.dataclass
class Posterior:
  """Diagonal Gaussian over tokens or latents: mean, logvar [...].

  logvar None: no spread.
  """

  mean: Array
  logvar: Array | None = None

  def sample(self, noise: Array | None) -> Array:
    """mean + std * noise; the mean without noise or spread."""
    if self.logvar is None or noise is None:
      return self.mean
    return self.mean + jnp.exp(self.logvar / 2) * noise
