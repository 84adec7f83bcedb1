"""A scene: its tokens, its cameras, and the file that holds them."""

import dataclasses
import json
import os
from typing import Annotated, Any, NotRequired, TypedDict

import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save

from scenetok_jax.codecs.api import Codec
from scenetok_jax.convert.compact import quantize
from scenetok_jax.convert.own_files import own_arrays, sealed
from scenetok_jax.geometry.camera_checks import check_cameras, check_rigid
from scenetok_jax.io import atomic_path
from scenetok_jax.model import Model
from scenetok_jax.reading.json_text import parse
from scenetok_jax.reading.schema import Between, Count, checked
from scenetok_jax.reading.shown import shown
from scenetok_jax.sampling.digest import digest
from scenetok_jax.types import Cameras, InputError, check_key, check_known

VERSION, RESCALED = 1, 2  # which older programs would render wrongly
MAX_TOKEN = 1e4  # ours: trained tokens are of about unit size
STORAGES = ("float32", "bfloat16", "int8")


class _Header(TypedDict):
  version: Count
  key: Any
  model: str
  codec: str
  origin: NotRequired[tuple[float, float, float]]
  scale: NotRequired[Annotated[float, Between(1e-9, 1e9)]]


@dataclasses.dataclass(frozen=True)
class Scene:
  """One encoded or generated scene.

  key: the scene's name. tokens: [N C] float32. reference: [4 4]
  camera-to-world that the tokens are relative to. context: absolute cameras
  [V] of the views they were made from; paths are laid through them.
  model, codec: digests of the networks and of the target codec, which alone
  can render the tokens. origin: what was subtracted from the positions that
  the views were given with (geometry.origins). scale: what positions are
  multiplied with before the networks see them; reference and context are as
  they were given.
  """

  key: str
  tokens: np.ndarray
  reference: np.ndarray
  context: Cameras
  model: str
  codec: str
  origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
  scale: float = 1.0

  def save(self, path: str | os.PathLike, storage: str = "float32") -> int:
    """Writes a scene file atomically; returns its size in bytes.

    path: the file, by custom NAME.tok; its folder is made. storage: "float32",
    which keeps the tokens exactly; "bfloat16", half as large; or "int8", a
    quarter, with a float16 scale per token.
    Raises InputError: another storage, broken numbers, or a file that cannot be
    written.
    """
    check_key(self.key)
    check_numbers(self, f"scene {self.key}")
    arrays = stored(self.tokens, storage)
    for name, value in (
      ("reference", self.reference),
      ("context_extrinsics", self.context.extrinsics),
      ("context_intrinsics", self.context.intrinsics),
    ):
      arrays[name] = np.ascontiguousarray(value, np.float32)
    header: dict[str, Any] = {"version": VERSION, "key": self.key}
    header |= {"model": self.model, "codec": self.codec, "storage": storage}
    if self.scale != 1.0:
      header |= {"version": RESCALED, "scale": self.scale}
    if any(self.origin):
      header["origin"] = list(self.origin)
    metadata = {"scenetok": json.dumps(header)}
    data = save(arrays, sealed(arrays, metadata))
    with atomic_path(path) as temporary:
      temporary.write_bytes(data)
    return len(data)

  @classmethod
  def load(cls, path: str | os.PathLike) -> "Scene":
    """Reads a scene file; whichever model made it, no network is needed.

    Raises InputError: missing, damaged, of another kind, or with broken
    numbers.
    """
    problem = "not a whole scene file"
    remedy = "make it again with scenetok encode"
    with own_arrays(path, problem, remedy) as (arrays, metadata):
      header = parse(metadata["scenetok"].encode(), f"{path}: header", remedy)
      if header.get("version") not in (VERSION, RESCALED):
        raise InputError(
          f"{path}: version: {shown(header.get('version'))}, this program reads"
          f" {VERSION} and {RESCALED}; {remedy}"
        )
      header = checked(header, _Header, f"{path}: header", remedy)
      scene = cls(
        key=check_key(header["key"], f"{path}: scene"),
        tokens=restored(arrays),
        reference=arrays["reference"],
        context=Cameras(
          arrays["context_extrinsics"], arrays["context_intrinsics"]
        ),
        model=header["model"],
        codec=header["codec"],
        origin=tuple(header.get("origin", (0.0, 0.0, 0.0))),
        scale=float(header.get("scale", 1.0)),
      )
    check_numbers(scene, str(path))
    return scene


def check_numbers(scene: Scene, where: str) -> None:
  """InputError unless a scene's tokens and cameras are such, and finite.

  where: starts the message.
  """
  tokens = np.asarray(scene.tokens)
  if tokens.ndim != 2 or tokens.dtype.kind != "f" or not tokens.size:
    raise InputError(
      f"{where}: tokens: {tokens.dtype} {list(tokens.shape)}, not floats [N C];"
      " encode the scene again"
    )
  largest = np.abs(tokens).max()  # NaN where there is one
  if not largest <= MAX_TOKEN:
    finite = np.isfinite(largest)
    problem = f"as large as {largest:.3g}" if finite else "NaN or Inf"
    raise InputError(f"{where}: tokens: {problem}; encode the scene again")
  if np.shape(scene.reference) != (4, 4):
    raise InputError(
      f"{where}: reference: shape {list(np.shape(scene.reference))} is not"
      " [4 4]; encode the scene again"
    )
  check_rigid(scene.reference, f"{where}: reference")
  context, names = scene.context, ("context_extrinsics", "context_intrinsics")
  check_cameras(context.extrinsics, context.intrinsics, where, names=names)
  if not len(context.extrinsics):
    raise InputError(f"{where}: context: no camera; encode the scene again")


def model_digest(params: Any) -> str:
  """Of the tokenizer and renderer, whose tokens belong together."""
  return digest({name: params[name] for name in ("tokenizer", "decoder")})


def codec_digest(codec: Codec) -> str:
  """Of the target codec: its geometry and frozen arrays."""
  geometry = (
    f"{codec.name} f{codec.spatial} t{codec.grouping.frames_per_latent}"
    f" c{codec.channels} chunked={codec.grouping.chunked}"
  )
  return digest(codec.params, geometry)


def stored(tokens: np.ndarray, storage: str) -> dict[str, np.ndarray]:
  """tokens [N C] as a file holds them; int8 has a float16 scale per token."""
  check_known(storage, STORAGES, "--storage")
  tokens = np.asarray(tokens, np.float32)
  if storage == "int8":
    codes, scale = quantize(tokens)
    return {"tokens": codes, "scale": scale}
  return {"tokens": tokens.astype(jnp.dtype(storage))}


def restored(arrays: dict[str, np.ndarray]) -> np.ndarray:
  """The inverse of `stored`: [N C] float32."""
  tokens = arrays["tokens"].astype(np.float32)
  if arrays["tokens"].dtype != np.int8:
    return tokens
  with np.errstate(all="ignore"):  # the scene's numbers are checked later
    return tokens * arrays["scale"].astype(np.float32)


def check_scene(
  where: str | os.PathLike, scene: Scene, model: Model, identity: str
) -> None:
  """InputError unless it is whole, and by these networks and this codec.

  where: starts the message. identity: model_digest of the networks.
  """
  check_numbers(scene, str(where))
  if scene.tokens.shape != model.token_shape:
    raise InputError(
      f"{where}: tokens: {scene.tokens.shape}, the model has"
      f" {model.token_shape}; give the --workdir that encoded it"
    )
  if scene.codec != codec_digest(model.target_codec):
    raise InputError(
      f"{where}: codec: made for another codec than {model.target_codec.name}"
      " of this run; give the --workdir that encoded it"
    )
  if scene.model != identity:
    raise InputError(
      f"{where}: model: made by another checkpoint; give the --workdir that"
      " encoded it, or encode again"
    )
