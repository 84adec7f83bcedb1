"""Commands on hostile files: exit 0 or 2, one line, nothing else touched."""

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenetok_jax.cli import main as scenetok
from tests.fuzz import mutations as _M
from tests.fuzz import samples
from tests.fuzz.limits import check_line, fuzz, limited, tree

pytestmark = pytest.mark.fuzz


@dataclasses.dataclass(frozen=True)
class Command:
  """A line with IN, a sample's folder, and OUT; what is mutated in IN."""

  line: str
  fill: Callable[[Path], None]
  name: str
  mutate: Callable[[bytes], Any]


COMMANDS = [
  Command("inspect IN", samples.prepared, "train/scenes.jsonl", _M.json_lines),
  Command(
    "inspect IN --scene=0 --out=OUT",
    samples.prepared, "train/scenes.jsonl", _M.json_lines,
  ),
  Command(
    "inspect IN --scene=0 --out=OUT",
    samples.prepared, "train/cameras.f32", _M.floats,
  ),
  Command("inspect IN", samples.latents, "train/prepared.json", _M.json_text),
  Command(
    "tables IN/result.json IN/generated.json --html=OUT.html --json=OUT.json",
    samples.results, "result.json", _M.json_text,
  ),
  Command(
    "tables IN/pose.json --latex=OUT.tex --markdown=OUT.md",
    samples.results, "pose.json", _M.json_text,
  ),
  Command(
    "make-index --data=IN --split=train --context=2 --targets=2 --out=OUT.json",
    samples.prepared, "train/prepared.json", _M.json_text,
  ),
  Command(
    "stage --data=IN --to=OUT --workers=2",
    samples.prepared, "train/prepared.json", _M.json_text,
  ),
  Command("goodput IN", samples.workdir, "lives.jsonl", _M.json_lines),
  Command(
    "prepare --dataset=capture --source=IN --size=16 --workers=0 --out=OUT",
    samples.capture, "transforms.json", _M.json_text,
  ),
  Command(
    "prepare --dataset=dl3dv --source=IN --size=16 --workers=0 --out=OUT",
    samples.dl3dv, "scene/transforms.json", _M.json_text,
  ),
  Command(
    "prepare --dataset=re10k --source=IN --size=16 --workers=0 --out=OUT",
    samples.chunk, "train/a.torch", _M.zipped,
  ),
  Command(
    "prepare --dataset=acid --source=IN --size=16 --workers=0 --out=OUT",
    samples.camera_texts, "walk.txt", _M.text,
  ),
  Command(
    "compact --workdir=IN --out=OUT",
    samples.compact, "config.json", _M.json_text,
  ),
  Command(
    "compact --workdir=IN --out=OUT",
    samples.compact, "params.safetensors", _M.safetensors,
  ),
]  # fmt: skip


def _title(command):
  verb, *rest = command.line.split()
  return f"{verb} {rest[0][:17]} {command.name}".replace("/", "-")


@pytest.mark.parametrize("command", COMMANDS, ids=_title)
def test_hostile_inputs(command, filled, tmp_path, monkeypatch, capfd):
  folder = tmp_path / "in"
  shutil.copytree(filled(command.fill), folder)
  (tmp_path / "secret.txt").write_text("the user's")
  monkeypatch.chdir(tmp_path)
  file = folder / command.name
  data = file.read_bytes()
  words = command.line.replace("IN", str(folder)).replace("OUT", "out").split()
  assert scenetok.main(words) == 0

  @fuzz(cost=4)
  @given(st.data())
  def hostile(drawn):
    for path in tmp_path.glob("out*"):
      shutil.rmtree(path) if path.is_dir() else path.unlink()
    file.write_bytes(drawn.draw(command.mutate(data)))
    before = tree(tmp_path)
    capfd.readouterr()
    with limited():
      code = scenetok.main(words)
    told = capfd.readouterr().err
    made = tree(tmp_path).items() - before.items()
    assert tree(tmp_path).keys() >= before.keys()
    assert all(name.startswith(f"{tmp_path}/out") for name, _ in made)
    assert code in (0, 2)
    if code:
      *progress, line = told.splitlines()
      check_line(line)
      assert line.startswith(f"scenetok {words[0]}: error: ")
      assert all(re.match(r"[a-z0-9/]+: +[0-9]+%", x) for x in progress)
      assert not made

  hostile()
