"""A metric with its network is one entry: evaluate and tables know it then.

What a module of metrics/ and its rename table would hold stands here; the
registry's line is a monkeypatch (recipe: CONTRIBUTING.md).
"""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from einops import reduce
from safetensors.numpy import save_file

from data_pipelines.storage.records import Dataset
from scenetok_jax.cli import evaluate, tables
from scenetok_jax.convert.engine import Table
from scenetok_jax.evaluation.table_text import cells
from scenetok_jax.evaluation.tables import make_tables
from scenetok_jax.metrics.loading import missing
from scenetok_jax.metrics.metric import Metric, Published
from scenetok_jax.metrics.registry import METRICS
from tests.cli import workdirs
from tests.evaluation.tables_test import result

FRAMES = 10


class Colours(nn.Module):
  """RGB [B H W 3] in [0, 1] -> features of the mean colour [B 4]."""

  @nn.compact
  def __call__(self, images):
    mean = reduce(images, "b h w c -> b c", "mean")
    return nn.Dense(4, name="mix", kernel_init=nn.initializers.zeros)(mean)


def shapes() -> dict:
  image = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
  return jax.eval_shape(Colours().init, jax.random.key(0), image)["params"]


def table() -> Table:
  return Table((("mix", "colour/mix"),))


def distance(params: dict, a, b):
  """float [B H W 3] in [0, 1] twice -> [B]."""
  one, other = (Colours().apply({"params": params}, x) for x in (a, b))
  return jnp.linalg.norm(one - other, axis=-1)


def features(params: dict, images):
  """uint8 [B H W 3] -> [B 4]."""
  scaled = jnp.asarray(images, jnp.float32) / 255.0
  return Colours().apply({"params": params}, scaled)


WEIGHTS = Published(
  name="colour_net",
  files=(("colour.pth",),),
  source="example.org/colour.pth",
  licence="MIT",
  tensors=2,
  parameters=16,
  shapes=shapes,
  table=table,
)
ENTRIES = (
  Metric("col", "image", distance, "lower", "Colour", 4, WEIGHTS),
  Metric("fcd", "image_set", features, "lower", "FCD", 1, WEIGHTS),
)


@pytest.fixture
def registered(monkeypatch):
  for entry in ENTRIES:
    monkeypatch.setitem(METRICS, entry.name, entry)


@pytest.fixture
def weights(tmp_path):
  """A published file in torch's layout."""
  draw = np.random.default_rng(0).standard_normal
  tensors = {
    "colour.mix.weight": draw((4, 3)).astype(np.float32),
    "colour.mix.bias": draw(4).astype(np.float32),
  }
  folder = tmp_path / "weights"
  folder.mkdir()
  save_file(tensors, folder / "colour.safetensors")
  return folder


def test_a_metric_goes_from_its_entry_to_scores_summary_and_tables(
  registered, weights, tmp_path, capsys
):
  data = workdirs.rooms(tmp_path / "rooms", 2, FRAMES)
  frames = {"context": [0, 4, 7], "target": list(range(8))}
  keys = [row.key for row in Dataset(data, "test").scenes]
  index, file = tmp_path / "index.json", tmp_path / "scores.json"
  index.write_text(json.dumps(dict.fromkeys(keys, frames)))
  capsys.readouterr()
  assert not evaluate.main(
    [f"--workdir={workdirs.stage1(tmp_path / 'run')}", f"--data={data}",
     "--protocol=index", f"--index={index}", "--batch=2", "--steps=1",
     "--resamples=5", "--set-resamples=2", f"--metrics-weights={weights}",
     f"--json={file}", "--metrics", "col", "fcd"]
  )  # fmt: skip
  printed = capsys.readouterr().out.splitlines()
  assert "col" in printed[0].split()
  assert any(line.startswith("rfcd: ") for line in printed)

  found = json.loads(file.read_text())
  for key in ("col", "codec_ceiling_col", "rfcd", "codec_ceiling_rfcd"):
    low, high = found["confidence_intervals"][key]
    assert 0 <= low <= high and found[key] > 0
  assert found["metric_weights"].keys() == {"col", "fcd"}
  assert found["codec_ceiling_col"] < found["col"]
  assert all(row["col"] > 0 for row in found["per_scene"].values())

  tables.main([str(file)])
  lines = capsys.readouterr().out.splitlines()
  for heading, value in (
    ("Colour", f"{found['col']:.4f}"),
    ("codec ceiling: Colour", f"{found['codec_ceiling_col']:.4f}"),
    ("rFCD", f"{found['rfcd']:.1f}"),
  ):
    (shown,) = [line for line in lines if f"| {heading} |" in line]
    assert f"| {value} |" in shown


def test_absent_weights_are_named_where_they_are_missing(registered, tmp_path):
  reason = missing("fcd", tmp_path)
  assert "no colour.pth" in reason and "example.org/colour.pth" in reason
  (table,) = make_tables(
    [result(tmp_path, "r", missing_metrics={"fcd": reason})]
  )
  (line,) = [line for line in table.lines if line.measure == "rfcd"]
  assert line.missing == reason and cells(line)[1] == "rFCD"
