"""Cases of files: checkpoint_formats, checkpoint_nonstrict_load."""

import dataclasses
from typing import Any

import jax
import numpy as np

from scenetok_jax.convert.engine import export_tensors
from scenetok_jax.convert.load import load_params, load_partial
from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.parity import modules
from scenetok_jax.parity.case import CONFIG_FILE, Arrays, Case
from scenetok_jax.reading.npz import read_npz
from scenetok_jax.types import InputError, explained


def formats(case: Case) -> Arrays:
  """All tensors of every container, as FILE/NAME, with their types."""
  found: Arrays = {}
  for file in _files(case):
    tensors = read_tensors(case.path / file)
    for name in tensors:
      found[f"{file}/{name}"] = tensors[name]
      found[f"{file}/{name} dtype"] = str(tensors[name].dtype)
    found[f"{file}/names"] = " ".join(sorted(tensors))
  return found


def _files(case: Case) -> list[str]:
  # An entry may go on with a remark in brackets.
  return [entry.split()[0] for entry in case.config["files"]]


def formats_wanted(case: Case) -> Arrays:
  """The stored arrays, once for every file."""
  path = case.path / case.config["expected"].split(";")[0]
  with explained(f"{path}: not arrays", "fetch it again", OSError, ValueError):
    arrays = read_npz(path)
  wanted: Arrays = {}
  for file in _files(case):
    wanted |= {f"{file}/{name}": x for name, x in arrays.items()}
    wanted |= {
      f"{file}/{name} dtype": str(x.dtype) for name, x in arrays.items()
    }
    wanted[f"{file}/names"] = " ".join(sorted(arrays))
  return wanted


def nonstrict_load(case: Case) -> Arrays:
  """Both networks after a partial load into freshly built ones."""
  model = dataclasses.replace(case, config=_model(case))
  found: Arrays = {}
  for net, inputs in _networks(model):
    shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)["params"]
    table = modules.table(net)
    fresh = load_params(case.weights, table, shapes)
    partial = load_partial(case.path / "source.ckpt", table, fresh)
    for name, tensor in export_tensors(partial.params, table):
      found[f"after/{name}"] = tensor
  return found


def _model(case: Case) -> dict[str, Any]:
  """The config of the model that is loaded into; its length is free."""
  return {"num_target_latents_at_construction": 2, **case.config["model"]}


def _networks(case: Case) -> Any:
  """Modules with inputs of the right shapes."""
  config = case.config
  if "compressor" in config:
    yield _tokenizer(case)
  if "denoiser" in config:
    yield _decoder(case)
  if not {"compressor", "denoiser"} & config.keys():
    raise InputError(
      f"{case.path / CONFIG_FILE}: model: names no network; it must hold a"
      " compressor or a denoiser"
    )


def _tokenizer(case: Case) -> Any:
  config = case.config
  rows, columns = config["compressor"]["input_shape"]
  views = np.zeros((1, 2, rows, columns, config["in_channels"]), np.float32)
  return modules.tokenizer(case), (views, modules.identity_cameras(1, 2))


def _decoder(case: Case) -> Any:
  config = case.config
  rows, columns = config["denoiser"]["input_shape"]
  depth = config["denoiser"]["kwargs"]["in_channels"]
  net = modules.decoder(case)
  latents = net.grouping.unit_latents if net.grouping.chunked else 2
  frames = net.grouping.frames(latents)
  return (
    net,
    (
      np.zeros((1, latents, rows, columns, depth), np.float32),
      np.zeros((1, latents), np.float32),
      modules.identity_cameras(1, frames),
      np.zeros((1, 1, config["cond_dim"]), np.float32),
    ),
  )
