"""Data and weights of a run may move, but not become others."""

import jax.numpy as jnp
import numpy as np
import pytest

from data_pipelines.identity import with_identity
from scenetok_jax.configs import common
from scenetok_jax.types import InputError
from scenetok_jax.workdir.checkpoint import save_params
from scenetok_jax.workdir.fields import plain
from scenetok_jax.workdir.stored_config import (
  CONFIG_FILE,
  compare_config,
  load_stored_config,
  store_config,
)

FRAMES = "frames 0123456789abcdef"
CODEC = {"kernel": np.arange(6, dtype=np.float32)}
OTHER = {"kernel": np.arange(6, dtype=np.float32)[::-1]}


def frozen(codec=CODEC, **more):
  return {"codecs": {"context": codec, "target": {}}, **more}


def config(stage="tokenizer", **fields):
  found = plain(common.base(stage))
  found.data.path = "/data"
  found.codecs.context.weights = "/codec"
  with found.unlocked():
    found.update(fields)
  return found


def start(workdir, config, weights=None, data=FRAMES):
  """What the loop does of it at the start of a run; its identity."""
  settings = with_identity(workdir, config, weights or frozen(), data)
  store_config(workdir, settings)
  return load_stored_config(workdir)["identity"]


def test_moved_data_and_weights_go_on_and_are_told(tmp_path, capsys):
  first = start(tmp_path, config())
  assert first.keys() == {"data", "context_codec"} and first["data"] == FRAMES
  moved = config(remat="full", attention="cudnn")
  moved.data.path, moved.data.cache = "/elsewhere", False
  moved.codecs.context.update({"weights": "/copy", "dtype": "bfloat16"})
  capsys.readouterr()
  assert start(tmp_path, moved) == first
  told = capsys.readouterr().err
  assert told.count("\n") == 1 and f"{tmp_path}: since the last start " in told
  for change in (
    "data.path was /data, is /elsewhere",
    "data.cache was True, is False",
    "codecs.context.weights was /codec, is /copy",
    "remat was none, is full",
  ):
    assert change in told


@pytest.mark.parametrize(
  "change, parts",
  [
    ({"data": "frames ffff456789abcdef"}, ("data is frames 01", "frames ff")),
    ({"data": "latents 0123456789abcdef"}, ("is frames 01", "latents 01")),
    ({"weights": frozen(OTHER)}, ("identity.context_codec is",)),
  ],
)
def test_other_things_in_the_same_place_are_refused(tmp_path, change, parts):
  start(tmp_path, config())
  before = (tmp_path / CONFIG_FILE).read_bytes()
  with pytest.raises(InputError) as error:
    start(tmp_path, config(), **change)
  for part in (str(tmp_path), *parts):
    assert part in str(error.value)
  assert "\n" not in str(error.value)
  assert (tmp_path / CONFIG_FILE).read_bytes() == before


def test_an_older_workdir_goes_on_and_knows_from_then_on(tmp_path):
  store_config(tmp_path, config().to_dict())
  start(tmp_path, config())
  with pytest.raises(InputError, match=r"identity\.data"):
    start(tmp_path, config(), data="frames ff")


def test_the_scale_of_training_scenes_is_measured_once(tmp_path):
  scale = {"scenes": 3, "baseline": [1.0, 1.5, 2.0, 2.5, 3.0]}

  def begin(measure):
    settings = with_identity(tmp_path, config(), frozen(), FRAMES, measure)
    store_config(tmp_path, settings)
    return load_stored_config(tmp_path).get("scale")

  def never():
    raise AssertionError("it is known")

  assert begin(lambda: None) is None  # and of an older run
  assert begin(lambda: scale) == scale
  assert begin(never) == scale
  compare_config(tmp_path, config().to_dict())


def test_restored_parameters_may_move_but_not_change(tmp_path):
  params = {"decoder": {"up": jnp.arange(8.0)}}
  other = {"decoder": {"up": jnp.arange(8.0) + 1}}
  for name, value in {"a": params, "copy": params, "b": other}.items():
    save_params(tmp_path / name, value, {})
  run = tmp_path / "run"

  def begin(name):
    return start(run, config(restore=name and str(tmp_path / name)))

  first = begin("a")
  assert begin("copy") == first
  with pytest.raises(InputError, match=r"identity\.restore"):
    begin("b")
  with pytest.raises(InputError, match=r"field restore is .*/copy there, None"):
    begin(None)


def test_a_resumed_run_needs_not_what_it_started_from(tmp_path):
  save_params(tmp_path / "a", {"decoder": {"up": jnp.arange(8.0)}}, {})
  again = config(restore=str(tmp_path / "a"))
  first = start(tmp_path / "run", again)
  (tmp_path / "a").rename(tmp_path / "gone")
  assert start(tmp_path / "run", again) == first


def test_stage_two_takes_the_tokenizer_and_codecs_of_stage_one(tmp_path):
  one, two = tmp_path / "one", tmp_path / "two"
  start(one, config())
  settings = config("generator", tokenizer_from=str(one))
  own = frozen(tokenizer={"up": np.ones(3)})
  start(two, settings, own, data="latents 77")  # other data than stage 1
  with pytest.raises(InputError, match=r"identity\.tokenizer"):
    start(two, settings, frozen(tokenizer={"up": np.zeros(3)}), "latents 77")
  with pytest.raises(InputError, match=rf"codecs\.context\.weights.* {one} "):
    start(tmp_path / "three", settings, frozen(OTHER))
