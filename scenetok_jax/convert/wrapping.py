"""What trainers and compilers wrap tensors and their names in; averages."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from scenetok_jax.types import InputError

# Under which names trainers keep the networks, and their moving averages.
_WEIGHTS = ("state_dict", "model_state_dict", "model", "module")
_AVERAGES = (
  "ema_state_dict",
  "state_dict_ema",
  "ema_model",
  "model_ema",
  "ema",
)
# DistributedDataParallel, Lightning and torch.compile put these before names;
# the last also inside, where it compiled a part.
_WRAPPER = re.compile(r"^(?:state_dict|model|module|_orig_mod)\.|\b_orig_mod\.")
_COUNT = "n_averaged"  # of torch's AveragedModel; no parameter


class Names(NamedTuple):
  """own: name without wrappers -> the file's. averages: how many it leaves."""

  own: dict[str, str]
  averages: int


def tensors_of(
  payload: Any, is_tensor: Callable[[Any], bool], path: object
) -> dict[str, Any]:
  """Tensors by name of what a torch file holds; averages as "ema.NAME".

  They lie in the file itself, or under the names above. InputError where it
  holds something else.
  """
  if not isinstance(payload, Mapping):
    raise InputError(
      f"{path}: holds a {type(payload).__name__}, not tensors by name; save"
      " the network's state_dict"
    )
  averages = _tensors(_inner(payload, _AVERAGES) or {}, is_tensor)
  named = {f"ema.{name}": tensor for name, tensor in averages.items()}
  return _tensors(payload, is_tensor) | named


def own_names(names: Collection[str], path: object, *, ema: bool) -> Names:
  """Names without what wraps them: of the networks, or of their averages.

  InputError where there is none of the kind.
  """
  kinds: dict[bool, dict[str, str]] = {False: {}, True: {}}
  for name in names:
    own = _unwrapped(name)
    start, _, rest = own.partition(".")
    average = start in _AVERAGES and bool(rest)
    own = _unwrapped(rest) if average else own
    if not average or own != _COUNT:
      kinds[average][name] = own
  chosen, others = kinds[ema], kinds[not ema]
  if others and not chosen:
    told = "no averaged weights in it; leave out --ema"
    other = "averaged weights alone in it; add --ema"
    raise InputError(f"{path}: {told if ema else other}")
  own_of = {own: name for name, own in chosen.items()}
  if len(own_of) < len(chosen):  # two would be one: they are no wrappers
    own_of = {name: name for name in chosen}
  return Names(own_of, 0 if ema else len(others))


def _tensors(
  payload: Mapping[Any, Any], is_tensor: Callable[[Any], bool]
) -> dict[str, Any]:
  while (inner := _inner(payload, _WEIGHTS)) is not None:
    payload = inner
  return {
    name: value
    for name, value in payload.items()
    if isinstance(name, str) and is_tensor(value)
  }


def _inner(
  payload: Mapping[Any, Any], names: Collection[str]
) -> Mapping[Any, Any] | None:
  """The first mapping under one of these names."""
  found = (payload.get(name) for name in names)
  return next((x for x in found if isinstance(x, Mapping) and x), None)


def _unwrapped(name: str) -> str:
  while (rest := _WRAPPER.sub("", name)) not in (name, ""):
    name = rest
  return name
