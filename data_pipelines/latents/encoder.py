"""Frames -> latents of a codec: what to encode, and doing it scene by scene."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from einops import rearrange

from data_pipelines.latents.identity import codec_identities
from data_pipelines.latents.records import DTYPES, finite
from data_pipelines.latents.writer import EncodedLatents
from data_pipelines.loading import transforms
from data_pipelines.storage.records import Dataset, SceneRow
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax.codecs.api import Codec
from scenetok_jax.io import to_unit
from scenetok_jax.model import build
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.reading.schema import Seed
from scenetok_jax.types import Array, Cameras, InputError, option

TILE_FRAMES = 16  # release: latents depend on their own tile of 16 frames
# Tiles encoded together: a constant, so that the draws of a codec's posterior
# do not depend on the number of devices.
_TILES = 8


@dataclasses.dataclass(frozen=True)
class LatentOptions:
  """How latents are made.

  dtype: "float16" or "bfloat16" on disk. flipped: also of mirrored frames.
  seed: of the posterior's samples, as in the release. sample: False stores
  the posterior's mean.
  """

  dtype: str = option("float16", "on disk", choices=sorted(DTYPES))
  flipped: bool = True
  seed: Seed = option(0, "of the posterior's samples")
  sample: bool = True


@dataclasses.dataclass(frozen=True)
class EncodingJob:
  """Source frames, codecs {"context", "target"} and what to do with them.

  identities: see identity.py; sampler: scenes it cannot use are dropped.
  """

  dataset: Dataset
  codecs: Mapping[str, Codec]
  identities: Mapping[str, dict]
  sampler: ViewSampler
  options: LatentOptions = LatentOptions()

  def describe(self) -> dict:
    """What decides the result; compared when latents exist already."""
    source = self.dataset
    digest = hashlib.sha256()
    for row in source.scenes:
      digest.update(json.dumps(dataclasses.asdict(row)).encode())
    return {
      "source": source.path.resolve().name,
      "split": source.split,
      "source_sha256": digest.hexdigest(),
      "options": dataclasses.asdict(self.options),
      "codecs": dict(self.identities),
      "needs": {
        "num_context": self.sampler.num_context,
        "num_targets": self.sampler.all_targets,
      },
    }

  @classmethod
  def from_config(
    cls, config: Any, dataset: Dataset, options: LatentOptions
  ) -> "EncodingJob":
    """With the codecs and the needs of a training configuration."""
    model = build(config)
    return cls(
      dataset=dataset,
      codecs={"context": model.context_codec, "target": model.target_codec},
      identities=codec_identities(config, model),
      sampler=ViewSampler.from_config(config.data),
      options=options,
    )


class Encoder:
  """Encodes whole scenes; compiled once per shape of a tile."""

  def __init__(self, job: EncodingJob):
    self.job = job
    self._mesh = make_mesh(devices=jax.local_devices())
    self._functions = {
      part: _encode_function(codec, job.options)
      for part, codec in job.codecs.items()
    }

  def scene(
    self, row: SceneRow, images: np.ndarray, cameras: Cameras
  ) -> EncodedLatents:
    """Latents of a clip, images uint8 [T, H, W, 3] and cameras [T].

    Raises:
      InputError: too few frames, or latents that overflow 16 bits.
    """
    where = f"{self.job.dataset.directory}: scene {row.key}"
    try:
      self.job.sampler.check_frames(len(images))
    except InputError as error:
      raise InputError(f"{where}: {error}") from None
    found: dict[str, list[np.ndarray]] = {part: [] for part in self._functions}
    for flipped in (False, True) if self.job.options.flipped else (False,):
      frames = transforms.flip(images, cameras)[0] if flipped else images
      for number, part in enumerate(sorted(found)):
        key = _key(self.job.options.seed, row.key, 2 * number + flipped)
        latents = self._encode(part, np.ascontiguousarray(frames), key)
        if not finite(latents):
          raise InputError(
            f"{where}: {part} latents overflow {self.job.options.dtype}; use"
            " --dtype=bfloat16"
          )
        found[part].append(latents)
    return EncodedLatents(
      key=row.key,
      context=found["context"],
      target=found["target"],
      cameras=cameras,
      size=(row.height, row.width),
      source=row.source,
    )

  def _encode(self, part: str, images: np.ndarray, key: Array) -> np.ndarray:
    """uint8 [T, H, W, 3] -> latents [L, h, w, C] in the stored dtype."""
    codec, function = self.job.codecs[part], self._functions[part]
    pieces = []
    with jax.set_mesh(self._mesh):
      params = codec.params
      for number, (tiles, count) in enumerate(_tiles(codec, images)):
        piece = function(params, tiles, jax.random.fold_in(key, number))
        piece = rearrange(np.asarray(piece), "n l h w c -> (n l) h w c")
        pieces.append(piece[:count])
    return np.concatenate(pieces)


def _encode_function(
  codec: Codec, options: LatentOptions
) -> Callable[[Any, Array, Array], Array]:
  """(params, images uint8 [N T H W 3], key) -> raw latents [N L h w C]."""

  @jax.jit
  def function(params: Any, images: Array, key: Array) -> Array:
    drawn = key if options.sample else None
    latents = codec.encode(params, to_unit(images), drawn)
    return codec.scaling.restore(latents).astype(DTYPES[options.dtype])

  return function


def _tiles(
  codec: Codec, images: np.ndarray
) -> Iterator[tuple[np.ndarray, int]]:
  """Groups of tiles [N, T, H, W, 3], and how many latents of them count.

  Frames that fill no latent are left out. Full groups are padded with
  repeated tiles; a last tile of fewer frames is a group of its own, because
  a codec may look at a whole tile.
  """
  unit, tile = codec.grouping.unit_frames, codec.grouping.unit_frames
  if not codec.grouping.chunked:
    tile = TILE_FRAMES // unit * unit or unit
  per_tile = codec.grouping.latents(tile)
  usable = codec.frames(codec.latents(len(images)))
  images = images[:usable]
  if unit == 1 and len(images) % tile:  # single images: padding is harmless
    padding = np.repeat(images[-1:], -len(images) % tile, axis=0)
    padded = np.concatenate([images, padding])
  else:
    padded = images[: len(images) // tile * tile]
  whole = rearrange(padded, "(n t) h w c -> n t h w c", t=tile)
  left = codec.latents(usable)
  for start in range(0, len(whole), _TILES):
    group = whole[start : start + _TILES]
    count = min(len(group) * per_tile, left)
    left -= count
    missing = _TILES - len(group)
    if missing:
      group = np.concatenate([group, np.repeat(group[-1:], missing, axis=0)])
    yield group, count
  if left:
    yield images[None, len(padded) :], left


def _key(seed: int, name: str, number: int) -> Array:
  """A key of a scene: its name decides, not its place or its process."""
  digest = hashlib.sha256(name.encode()).digest()
  key = jax.random.fold_in(
    jax.random.key(seed), int.from_bytes(digest[:4], "little")
  )
  return jax.random.fold_in(key, number)
