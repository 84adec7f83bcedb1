"""A folder of released checkpoints is recognised; wrong files are named."""

import importlib.util
import json
import math
import pickle
import struct
from pathlib import Path

import pytest

from scenetok_jax import console
from scenetok_jax.cli import check_release
from scenetok_jax.evaluation.protocols import PROTOCOLS
from scenetok_jax.parity.released import check_release as check
from scenetok_jax.parity.released import expected
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.released import RELEASED

ROOT = Path(__file__).parents[2]
TORCH = importlib.util.find_spec("torch") is not None


def write_safetensors(path, shapes):
  """Full-size tensors whose numbers take no room on the disk."""
  header, end = {}, 0
  for name, shape in shapes.items():
    start, end = end, end + 4 * math.prod(shape)
    header[name] = {
      "dtype": "F32", "shape": list(shape), "data_offsets": [start, end],
    }  # fmt: skip
  text = json.dumps(header).encode()
  text += b" " * (-len(text) % 8)
  with path.open("wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    file.truncate(8 + len(text) + end)


def write_lightning(path, shapes):
  """The same as torch's zip, each tensor one number seen many times."""
  import torch

  tensors = {
    name: torch.zeros(1).expand(shape) for name, shape in shapes.items()
  }
  torch.save({"state_dict": tensors, "epoch": 3, "global_step": 9}, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """All seven, both formats among them where torch can write the other."""
  root = tmp_path_factory.mktemp("release")
  for name, entry in RELEASED.items():
    shapes = expected(name).needed
    if name == "va-videodc_re10k":
      shapes = shapes | {"denoiser.null_tokens": (1, 1024)}
    if entry.tokenizer or not TORCH:
      write_safetensors(root / f"{name}.safetensors", shapes)
    else:
      write_lightning(root / f"{name}.ckpt", shapes)
  return root


def link(folder, root, *without):
  root.mkdir(exist_ok=True)
  for file in folder.iterdir():
    if file.stem not in without:
      (root / file.name).symlink_to(file)
  return root


def states(found):
  return {name: entry["status"] for name, entry in found["files"].items()}


@pytest.mark.slow
def test_the_whole_release_reproduces_every_table(folder, tmp_path, capsys):
  report = tmp_path / "report.json"
  argv = [str(folder), f"--json={report}"]
  assert console.run(check_release.main, argv) == 0
  found = json.loads(report.read_text())
  assert set(states(found).values()) == {"ok"} and not found["others"]
  assert len(found["files"]) == 7
  assert found["files"]["va-wan_dl3dv"]["parameters"] == 797_712_784
  assert not any(table["missing"] for table in found["tables"])
  told = capsys.readouterr().out
  assert told.count("can be reproduced") == len(found["tables"]) == 8


def test_every_table_is_a_protocol_and_every_config_loads():
  for entry in RELEASED.values():
    assert set(entry.tables) <= set(PROTOCOLS)
    load_config(entry.config)


def test_the_docs_have_a_row_for_each():
  page = (ROOT / "docs/evaluation_paper.md").read_text()
  for name, entry in RELEASED.items():
    (row,) = [x for x in page.splitlines() if x.startswith(f"| {name}.ckpt |")]
    file, _, variant = entry.config.partition(":")
    config = f"configs/{file}.py" + (variant and f":{variant}")
    assert f"--config={config} " in row and f"--source={name}.ckpt" in row
    assert all(f"`{protocol}`" in row for protocol in entry.tables)
    if entry.tokenizer:
      assert f"{entry.tokenizer}.ckpt" in row
      assert "--config.tokenizer_from=runs/re10k_scene" in row


def test_generation_needs_its_own_tokenizer(folder, tmp_path):
  found = check(link(folder, tmp_path, "va-videodc_re10k_scene"))
  lacking = {t["checkpoint"]: t["missing"] for t in found["tables"]}
  assert lacking["va-videodc_re10k"] == []
  assert lacking["scenegen_shift4_re10k"] == ["va-videodc_re10k_scene"]


def test_a_renamed_file_is_told_by_its_shapes(folder, tmp_path, capsys):
  root = link(folder, tmp_path, "va-wan_dl3dv", "va-videodc_dl3dv")
  (wan,) = folder.glob("va-wan_dl3dv.*")
  (root / f"va-videodc_dl3dv{wan.suffix}").symlink_to(wan)
  (dl3dv,) = folder.glob("va-videodc_dl3dv.*")
  (root / f"last{wan.suffix}").symlink_to(dl3dv)
  assert console.run(check_release.main, [str(root)]) == 1
  found = check(root)
  assert states(found)["va-videodc_dl3dv"] == "wrong"
  problem = found["files"]["va-videodc_dl3dv"]["problem"]
  assert problem.startswith("the tensors of va-wan_dl3dv: renamed?")
  assert "of another shape (denoiser." in problem
  told = found["others"][f"last{wan.suffix}"]
  assert told.startswith("the tensors of va-videodc_dl3dv")
  assert "WRONG: the tensors of" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_a_truncated_file_is_wrong(folder, tmp_path, suffix):
  if suffix == ".ckpt" and not TORCH:
    pytest.skip("pip install -e '.[convert]': torch writes such files")
  source = next(folder.glob(f"*{suffix}"))
  with source.open("rb") as file:
    head = file.read(source.stat().st_size // 2 if suffix == ".ckpt" else 4000)
  (tmp_path / source.name).write_bytes(head)
  found = check(tmp_path)
  assert states(found)[source.stem] == "wrong"
  assert "fetch it again" in found["files"][source.stem]["problem"]


class Harm:
  """What unpickling must not build."""

  def __reduce__(self):
    return (print, ("harm",))


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
  file = tmp_path / "va-wan_dl3dv.ckpt"
  file.write_bytes(pickle.dumps({"state_dict": Harm()}))
  found = check(tmp_path)
  assert states(found)["va-wan_dl3dv"] == "wrong"
  assert "harm" not in capsys.readouterr().out


def test_no_folder_is_bad_input(tmp_path):
  with pytest.raises(InputError, match="not a folder"):
    check(tmp_path / "none")
