"""A model's card: what it was trained on, how good it is, how to load it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jinja2

from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.results import Result
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.types import InputError
from scenetok_jax.workdir.stored_config import IDENTITY


def card(
  model: SceneTok,
  name: str,
  *,
  licence: str,
  storage: str,
  codecs: Mapping[str, Mapping[str, Any]],
  scores: Sequence[Mapping[str, Any]],
  pictures: Sequence[str],
) -> str:
  """The text of README.md, as the hub shows it.

  name: hf://OWNER/NAME, where it will be. codecs: identities by part. scores:
  of scored(). pictures: names of files beside it.
  """
  config = model.config
  identity = config.get(IDENTITY) or {}
  weighty = {x["name"]: x["weights_sha256"] for x in codecs.values()}
  leaves = jax.tree.leaves(model.params)
  text = Path(__file__).with_name("card.md").read_text("utf-8")
  return jinja2.Template(text, trim_blocks=True).render(
    name=name,
    repo=name.removeprefix("hf://"),
    licence=licence,
    stage=config.stage,
    tokens=model.model.token_shape,
    data=Path(config.data.path or "").name,
    data_hash=identity.get("data"),
    step=model.step,
    parameters=sum(leaf.size for leaf in leaves),
    storage=storage,
    size=model.model.image_size,
    context=model.model.num_context,
    codecs=codecs,
    needed=[codec for codec, digest in weighty.items() if digest],
    scores=scores,
    pictures=pictures,
  )


def scored(
  result: Result, whole: str, pushed: str, given: bool
) -> dict[str, Any] | None:
  """What the card shows of a result; None where it is of another model.

  whole, pushed: digests of the parameters before and after rounding. given:
  by the user: another model's is an InputError then.
  """
  data = result.data
  if data["checkpoint_sha256"] not in (whole, pushed):
    if not given:
      return None
    raise InputError(
      f"{result.path}: --result: of checkpoint {result.checkpoint[:16]}, this"
      f" one is {whole[:16]}; score it with scenetok evaluate --json"
    )
  rounded = result.checkpoint != pushed
  known = measures()
  return {
    **{key: data.get(key) for key in ("protocol", "scenes", "index_file")},
    "index_sha256": data["index_sha256"],
    "rounded": ", before matrices were rounded to int8" if rounded else "",
    "lines": [_line(data, key) for key in known if data.get(key) is not None],
  }


def _line(data: Mapping[str, Any], key: str) -> tuple[str, str, str]:
  """(measure, value, interval)."""
  measure = measures()[key]

  def number(value: float | None) -> str:
    return (
      "-" if value is None else f"{value * measure.scale:,.{measure.digits}f}"
    )

  ends = data.get("confidence_intervals", {}).get(key)
  interval = " to ".join(map(number, ends)) if ends else "-"
  return measure.title, number(data[key]), interval
