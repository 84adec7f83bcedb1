"""Cases of the metrics' networks: lpips, fid, fvd."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from einops import rearrange

from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.metrics import i3d, inception
from scenetok_jax.metrics import lpips as lpips_net
from scenetok_jax.metrics.frechet import distance, statistics
from scenetok_jax.metrics.weights import import_tensors
from scenetok_jax.parity.case import Arrays, Case
from scenetok_jax.parity.modules import channels_first, channels_last, jit
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.types import InputError

_TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


def _weights(case: Case, name: str) -> Any:
  """Parameters drawn from the case's seed, with its stored ones."""
  tensors = _drawn(case)
  if case.weights.is_file():
    stored = read_tensors(case.weights)
    tensors |= {name: stored[name] for name in stored}
  return import_tensors(name, tensors, str(case.path))


def _drawn(case: Case) -> Arrays:
  """Tensors of weights_manifest.json, one generator for all, in its order."""
  path = case.path / "weights_manifest.json"
  entries = read_json(path, root=list)
  rng = np.random.default_rng(case.config["weights_seed"])
  tensors, digest = {}, hashlib.sha256()
  for entry in entries:
    values = entry["scale"] * rng.standard_normal(tuple(entry["shape"]))
    if entry["kind"] == "exp_normal":
      values = np.exp(values)
    else:
      values = entry["offset"] + values
    tensor = np.asarray(values).astype("<f4")
    digest.update(np.ascontiguousarray(tensor).tobytes())
    tensors[entry["name"]] = tensor
  if digest.hexdigest() != case.config["weights_sha256"]:
    raise InputError(
      f"{path}: this NumPy draws other numbers than the case was made with;"
      " use the NumPy version that setup.cfg asks for"
    )
  return tensors


def _each(function: Any, params: Any, images: Iterable[Any]) -> np.ndarray:
  """One at a time: the networks are large."""
  parts = [np.asarray(function(params, image[None])) for image in images]
  return np.concatenate(parts)


def lpips(case: Case) -> Arrays:
  """Distances, their terms, and activations of the first image."""
  given = case.inputs
  params = _weights(case, "lpips_vgg")
  found: Arrays = {}
  layers = jit(lpips_net.layer_distances)
  for name in given:
    if not name.startswith("a_") and name != "flat_a":
      continue
    i = "flat" if name == "flat_a" else name.removeprefix("a_")
    a, b = (
      channels_last(given[f"flat_{x}" if i == "flat" else f"{x}_{i}"])
      for x in "ab"
    )
    terms = np.asarray(layers(params, a, b))
    raw: Any = lpips_net.Lpips().apply({"params": params}, 2 * a - 1, 2 * b - 1)
    found |= {
      f"lpips_{i}": terms.sum(1),
      f"per_layer_{i}": terms,
      f"lpips_{i}_normalize_false_on_minus1_1": raw.sum(-1),
    }
  found["compute_lpips_0"] = np.mean(found["lpips_0"])
  first = channels_last(given["a_0"])[:1]
  taps = jit(lpips_net.features)(params, first)
  for name, tap in zip(_TAPS, taps, strict=True):
    x = channels_first(tap)
    found[f"feat_{name}_chan_mean"] = x.mean((2, 3))
    found[f"feat_{name}_corner"] = x[:, :8, :4, :4]
  return found


def fid(case: Case) -> Arrays:
  """Inception's taps for single images, and the distance of two sets."""
  given = case.inputs
  params = _weights(case, "fid_inception")
  sets = {
    name: inception.truncate_uint8(channels_last(given[f"{name}01"]))
    for name in ("real", "fake")
  }
  found: Arrays = {
    "uint8_real_sum_per_image": sets["real"].astype(np.int64).sum((1, 2, 3))
  }
  for kind in ("antialias", "tf1"):
    features = {}
    run = jit(lambda params, x, kind=kind: inception.features(params, x, kind))
    for name, images in sets.items():
      features[name] = _each(run, params, images)
      found[f"features_{name}_{kind}"] = features[name]
    value = distance(*(statistics(x) for x in features.values()))
    found[f"fid_{kind}"] = found[f"fid_{kind}_exact_lowrank"] = value
    see = jit(lambda params, x, kind=kind: inception.taps(params, x, kind))
    for name in given:
      if not name.startswith("extra_"):
        continue
      image = channels_last(given[name])
      resized = inception.preprocess(image, kind) * 128 + 128
      corner = np.asarray(resized)[:, ::13, ::13]
      prefix, taps = f"{name}_{kind}", see(params, image)
      found |= {
        **{f"{prefix}_{depth}": tap for depth, tap in taps.items()},
        f"{prefix}_resized_every13": channels_first(corner),
      }
  return found


def fvd(case: Case) -> Arrays:
  """I3D's activations of the first clip, scores, and a set distance."""
  given = case.inputs
  params = _weights(case, "fvd_i3d")
  logits = jit(lambda params, x: i3d.endpoints(params, x)["logits"])
  found: Arrays = {}
  sides = []
  for name in ("gt", "pred"):
    clips = channels_last(given[f"{name}01"])
    scores = _each(logits, params, clips)[:, 0]
    sides.append(statistics(scores))
    found[f"logits_{name}"] = scores
    seen = np.asarray(i3d.preprocess(clips[:1]))[:, ::3, ::13, ::13]
    found[f"preprocessed_{name}_every13"] = rearrange(
      seen, "b t h w c -> b c t h w"
    )
  found["fvd"] = found["fvd_exact_lowrank"] = distance(*sides)
  if "long01" in given:
    long = logits(params, channels_last(given["long01"]))
    found["logits_long"] = rearrange(np.asarray(long), "b t c -> b c t")
  ends = jit(i3d.endpoints)(params, channels_last(given["gt01"])[:1])
  for name, x in ends.items():
    if name == "avg_pool":
      found["avgpool_gt0"] = rearrange(np.asarray(x), "b t c -> b c t")
    elif name != "logits":
      x = rearrange(np.asarray(x), "b t h w c -> b c t h w")
      found[f"endpoint_{name}_chan_mean_gt0"] = x.mean((2, 3, 4))
      found[f"endpoint_{name}_shape"] = np.array(x.shape)
  return found
