"""The page of weights tells what the converter demands, in working commands."""

import csv
import math
import re
import shlex
from pathlib import Path

import pytest

from scenetok_jax import console
from scenetok_jax.cli import convert
from scenetok_jax.codecs.registry import published, published_names
from scenetok_jax.metrics.registry import networks
from tests.goldens import shared_dir

PAGE = Path(__file__).parents[1] / "docs" / "data_weights.md"
PUBLISHED = {name: published(name) for name in published_names()}
ENTRIES = {**PUBLISHED, **networks()}
TABLES = {
  "va_vae": "vavae",
  "video_dc_ae": "videodc",
  "wan_vae": "wan",
  "lpips_vgg": "vgg16_features",
  "fid_inception": "inception_v3_fid",
  "fvd_i3d": "i3d_rgb_imagenet",
}
COLUMNS = 6
# LPIPS's heads are published apart, and have no table.
HEADS = {"lpips_vgg": (5, 64 + 128 + 256 + 512 + 512)}


def rows() -> dict[str, list[str]]:
  """Cells of the page's rows by network."""
  lines = PAGE.read_text().splitlines()
  cells = [line.strip("|").split(" | ") for line in lines if "|" in line]
  named = {
    row[0].strip(" `"): [cell.strip() for cell in row]
    for row in cells
    if len(row) == COLUMNS
  }
  return {name: named[name] for name in ENTRIES}


def commands() -> list[list[str]]:
  """Arguments of the page's calls of scenetok convert."""
  text = PAGE.read_text().replace("\\\n", " ")
  found = re.findall(r"^scenetok convert (.*)$", text, re.MULTILINE)
  return [shlex.split(line) for line in found]


@pytest.mark.parametrize("name", ENTRIES)
def test_the_page_is_what_the_converter_demands(name):
  entry, row = ENTRIES[name], rows()[name]
  files = [entry.file] if name in PUBLISHED else [f[0] for f in entry.files]
  assert all(f"`{file}`" in row[1] for file in files)
  assert re.findall(r"[\w-]+\.(?:co|com|org)/\S*?(?=[ ,;]|$)", row[2])
  if name in PUBLISHED:
    assert row[2] == entry.source
  licences = set(re.findall(r"[\w.-]+-\d[\w.-]*|MIT", entry.licence))
  assert set(row[3].split(", ")) == licences
  assert int(row[4]) == entry.tensors
  assert int(row[5].replace(",", "")) == entry.parameters


@pytest.mark.parametrize("name", ENTRIES)
def test_the_page_s_counts_are_the_specification_s(name):
  path = shared_dir() / "spec" / "spec_tables" / f"{TABLES[name]}.tsv"
  if not path.is_file():
    pytest.skip(f"no specification table at {path}")
  with path.open() as file:
    table = list(csv.DictReader(file, delimiter="\t"))
  kept = [
    row for row in table if not row["name"].endswith("num_batches_tracked")
  ]
  kept = [row for row in kept if not row["name"].startswith("classifier.")]
  learned = [r for r in kept if not r["name"].endswith(("_mean", "_var"))]
  shapes = [map(int, row["shape"].split(",")) for row in learned]
  tensors, parameters = HEADS.get(name, (0, 0))
  _, _, _, _, told_tensors, told_parameters = rows()[name]
  assert int(told_tensors) == tensors + len(kept)
  total = parameters + sum(map(math.prod, shapes))
  assert int(told_parameters.replace(",", "")) == total


def test_every_network_has_a_command_that_asks_for_its_file(
  tmp_path, monkeypatch, capsys
):
  """Run where the files are absent: the error names the file, not a flag."""
  monkeypatch.chdir(tmp_path)
  named = set()
  for argv in commands():
    network = re.search(r"--(?:codec|metric)=(\w+)", " ".join(argv))
    assert network
    named.add(network[1])
    if not any(part.startswith("--source") for part in argv):
      continue  # reads the installed package, which has its own test
    assert console.run(convert.main, argv, "convert") == 2
    error = capsys.readouterr().err
    assert "No such file" in error and error.count("\n") == 1
    wanted = ENTRIES[network[1]]
    files = [wanted.file] if network[1] in PUBLISHED else wanted.files[0]
    assert any(file in error for file in files)
  assert named == set(ENTRIES)
