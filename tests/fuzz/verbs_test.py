"""Commands on hostile files: exit 0 or 2, one line, nothing else touched."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenetok_jax.cli import main as scenetok
from tests.fuzz import files
from tests.fuzz.files import File
from tests.fuzz.limits import check_line, fuzz, limited, tree

pytestmark = pytest.mark.fuzz

_ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Command:
  """A line with IN, the folder of the file's sample, and OUT.

  codes: how it may end.
  """

  line: str
  file: File
  codes: tuple[int, ...] = (0, 2)


COMMANDS = [
  Command("inspect IN", files.PREPARED_SCENES_JSONL),
  Command("inspect IN --scene=0 --out=OUT", files.PREPARED_SCENES_JSONL),
  Command("inspect IN --scene=0 --out=OUT", files.PREPARED_CAMERAS_F32),
  Command("inspect IN", files.LATENTS_PREPARED_JSON),
  Command(
    "tables IN/result.json IN/generated.json --html=OUT.html --json=OUT.json",
    files.RESULTS_RESULT_JSON,
  ),
  Command(
    "tables IN/pose.json --latex=OUT.tex --markdown=OUT.md",
    files.RESULTS_POSE_JSON,
  ),
  Command(
    "make-index --data=IN --split=train --context=2 --targets=2 --out=OUT.json",
    files.PREPARED_JSON,
  ),
  Command("stage --data=IN --to=OUT --workers=2", files.PREPARED_JSON),
  Command("goodput IN", files.WORKDIR_LIVES_JSONL),
  Command("runs IN --out=OUT.html", files.WORKDIR_METRICS_JSONL),
  Command(
    "prepare --dataset=capture --source=IN --size=16 --workers=0 --out=OUT",
    files.CAPTURE_TRANSFORMS_JSON,
  ),
  Command(
    "prepare --dataset=dl3dv --source=IN --size=16 --workers=0 --out=OUT",
    files.DL3DV_TRANSFORMS_JSON,
  ),
  Command(
    "prepare --dataset=re10k --source=IN --size=16 --workers=0 --out=OUT",
    files.CHUNK_A_TORCH,
  ),
  Command(
    "prepare --dataset=acid --source=IN --size=16 --workers=0 --out=OUT",
    files.CAMERA_TEXTS_WALK_TXT,
  ),
  Command(
    "prepare --dataset=capture --source=IN --size=16 --workers=0 --out=OUT",
    files.COLMAP_IMAGES_BIN,
  ),
  Command("check-release IN", files.TORCH_ZIP),
  # 1: outputs that differ.
  Command("parity IN/crop", files.CASE_CROP, (0, 1, 2)),
  Command("parity IN/geometry", files.CASE_INPUTS, (0, 1, 2)),
  Command("compact --workdir=IN --out=OUT", files.COMPACT_CONFIG_JSON),
  Command("compact --workdir=IN --out=OUT", files.COMPACT_PARAMS),
  Command(
    "convert --source=IN/model.safetensors --out=OUT"
    f" --config={_ROOT}/configs/rooms.py:smoke",
    files.RELEASED,
  ),
]


def _title(command):
  verb, *rest = command.line.split()
  return f"{verb} {rest[0][:17]} {command.file.title}".replace("/", "-")


@pytest.mark.parametrize("command", COMMANDS, ids=_title)
def test_hostile_inputs(command, filled, tmp_path, monkeypatch, capfd):
  folder = tmp_path / "in"
  shutil.copytree(filled(command.file.fill), folder)
  (tmp_path / "secret.txt").write_text("the user's")
  monkeypatch.chdir(tmp_path)
  file = min(folder.glob(command.file.name))
  data = file.read_bytes()
  words = command.line.replace("IN", str(folder)).replace("OUT", "out").split()
  assert scenetok.main(words) == 0

  @fuzz(cost=4)
  @given(st.data())
  def hostile(drawn):
    for path in tmp_path.glob("out*"):
      shutil.rmtree(path) if path.is_dir() else path.unlink()
    file.write_bytes(drawn.draw(command.file.mutate(data)))
    before = tree(tmp_path)
    capfd.readouterr()
    with limited():
      code = scenetok.main(words)
    said, told = capfd.readouterr()
    assert all(x.isprintable() and len(x) <= 4000 for x in said.split("\n"))
    made = tree(tmp_path).items() - before.items()
    assert tree(tmp_path).keys() >= before.keys()
    assert all(name.startswith(f"{tmp_path}/out") for name, _ in made)
    assert code in command.codes
    if code == 2:
      *progress, line = told.splitlines()
      check_line(line)
      assert line.startswith(f"scenetok {words[0]}: error: ")
      assert all(re.match(r"[a-z0-9/]+: +[0-9]+%", x) for x in progress)
    assert not (code and made)

  hostile()
