"""Folders that runs write: nothing in them that is not theirs is touched."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scenetok_jax import disk, io, outputs
from scenetok_jax.cli import main as scenetok
from scenetok_jax.inference import report
from scenetok_jax.types import InputError


def tree(root):
  """{name: bytes} of all below a folder, None for folders."""
  return {
    path.relative_to(root).as_posix(): None
    if path.is_dir()
    else path.read_bytes()
    for path in root.rglob("*")
  }


@pytest.fixture
def out(tmp_path):
  """A folder with files of a user: some named as a run's would be."""
  folder = tmp_path / "out"
  for name in ("notes.txt", "probe.txt", "frames/0003.png", "frames/a.png"):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"the user's {name}")
  return folder


def write(held, *names):
  for path in held.claim(*names):
    io.write_text(path, "a run's")


def test_only_listed_files_are_removed(out):
  before = tree(out)
  with outputs.opened(out, ["*.mp4"]) as held:
    write(held, "video.mp4", "frames/0000.png", "more/0000.png")
  with outputs.opened(out, ["*.mp4"]) as held:
    held.clear("*.mp4", "frames/*.png", "more/*.png", "*.txt")
  assert tree(out) == before


@pytest.mark.parametrize(
  "name",
  ["scene_00.tok", "video_01.mp4", "deviation/0000.png", "generate.json"],
)
def test_generate_refuses_what_no_run_of_it_wrote(out, name):
  (out / name).parent.mkdir(exist_ok=True)
  (out / name).write_text("encode made it")
  before = tree(out)
  with (
    pytest.raises(InputError, match="no earlier run wrote it"),
    outputs.opened(out, report.GENERATED),
  ):
    pass
  assert tree(out) == before


def test_a_run_that_fails_costs_an_earlier_one_nothing(out):
  with outputs.opened(out, ["*.mp4"]) as held:
    write(held, "video.mp4", "more/0000.png", "more/0001.png")
  before = tree(out)
  with pytest.raises(KeyboardInterrupt), outputs.opened(out) as held:
    held.clear("*.mp4", "more/*")
    held.file("video.mp4").write_text("half")
    held.file("new/deeper/0000.png").write_text("half")
    io.write_text(held.state("state.bin"), "to go on from")
    raise KeyboardInterrupt
  after = tree(out)
  assert after.pop("state.bin") == b"to go on from"
  listed = json.loads(after.pop(outputs.LIST_FILE))["files"]
  assert listed == ["more/0000.png", "more/0001.png", "state.bin", "video.mp4"]
  assert after == {k: v for k, v in before.items() if k != outputs.LIST_FILE}


def test_what_is_published_stays_whatever_follows(out):
  with pytest.raises(ZeroDivisionError), outputs.opened(out) as held:
    write(held, "a/0000.png")
    held.publish()
    write(held, "b/0000.png")
    raise ZeroDivisionError
  assert (out / "a/0000.png").exists() and not (out / "b").exists()


_WHOLE = """
import os, signal, sys
from pathlib import Path
from scenetok_jax import outputs
def kill(event, given):
  if event == "os.rename" and given[1] == sys.argv[2]:
    os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
with outputs.whole(Path(sys.argv[1]), "b", "a") as aside:
  for name in "ab":
    (aside / name).write_text("new")
"""


def test_files_that_come_together_survive_a_kill(out):
  before = tree(out)

  def run(killed_at):
    words = [sys.executable, "-c", _WHOLE, str(out), str(out / killed_at)]
    return subprocess.run(words, check=False).returncode

  assert run("b") == -signal.SIGKILL and not (out / "b").exists()
  assert run("a") == -signal.SIGKILL and (out / "b").exists()
  assert run("") == 0
  assert tree(out) == before | {"a": b"new", "b": b"new"}
  with pytest.raises(InputError, match="exists"), outputs.whole(out, "b"):
    pytest.fail("it was opened")


def test_files_that_come_together_spare_others(out):
  before = tree(out)
  with (
    pytest.raises(InputError, match="cannot be written"),
    outputs.whole(out, "a", "c") as aside,
  ):
    (aside / "a").write_text("new")
    (aside / "c").mkdir()
    raise OSError(28, "No space left on device")
  assert tree(out) == before


@pytest.mark.parametrize("pattern", ["*.txt", "frames/[0-9]*.png"])
def test_files_of_nobody_known_are_refused_at_the_start(out, pattern):
  before = tree(out)
  with (
    pytest.raises(InputError, match="exists, and no earlier run wrote it"),
    outputs.opened(out, [pattern]),
  ):
    pytest.fail("it was opened")
  with outputs.opened(out) as held, pytest.raises(InputError, match="no earl"):
    held.claim("frames/0002.png", "frames/0003.png")
  assert tree(out) == before


@pytest.mark.parametrize("name", ["../victim", "link/victim", "/tmp/victim"])
def test_a_list_that_leaves_the_folder_removes_nothing(out, tmp_path, name):
  (tmp_path / "victim").write_text("")
  (out / "link").symlink_to(tmp_path)
  text = json.dumps({"files": [name]})
  (out / outputs.LIST_FILE).write_text(text)
  with outputs.opened(out) as held:
    with pytest.raises(InputError, match="leaves it"):
      held.clear("*")
    with pytest.raises(InputError, match="leaves it"):
      held.claim(name)
  assert (tmp_path / "victim").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"files": 3}', "\0"])
def test_a_damaged_list_is_told(out, text):
  (out / outputs.LIST_FILE).write_text(text)
  with pytest.raises(InputError, match="delete it"), outputs.opened(out):
    pytest.fail("it was opened")


def test_one_run_at_a_time_has_a_folder(tmp_path):
  with (
    outputs.opened(tmp_path / "new"),
    pytest.raises(InputError, match="another process writes here"),
    outputs.opened(tmp_path / "new"),
  ):
    pytest.fail("both have it")
  assert not (tmp_path / "new").exists()  # nothing was written


@pytest.mark.parametrize("line", ["render --tokens=x", "export --tokens=x",
                                  "generate --image x.png"])  # fmt: skip
def test_two_commands_do_not_share_a_folder(line, tmp_path, capsys):
  held = tmp_path / "out"
  with outputs.opened(held):
    words = [*line.split(), f"--workdir={tmp_path}/none", f"--out={held}"]
    assert scenetok.main(words) == 2
  assert "another process writes here" in capsys.readouterr().err


def test_what_a_killed_run_left_is_removed_and_no_more(out):
  program = """
import os, signal, sys
from scenetok_jax import io
with io.atomic_path(sys.argv[1]) as temporary:
  temporary.write_text("half")
  os.kill(os.getpid(), signal.SIGKILL)
"""
  before = tree(out)
  command = [sys.executable, "-c", program, str(out / "scene_00.tok")]
  killed = subprocess.run(command, check=False)
  assert killed.returncode == -signal.SIGKILL
  assert len(tree(out)) == len(before) + 1
  disk.check_file(out / "scene.tok", "--out")  # another
  assert len(tree(out)) == len(before) + 1
  disk.check_file(out / "scene_00.tok", "--out")
  assert tree(out) == before
  subprocess.run(command, check=False)
  (out / ".mine.scenetok-notes.tok").write_text("")
  with io.atomic_path(out / "live.tok") as live, outputs.opened(out):
    assert live.exists()
  (out / ".mine.scenetok-notes.tok").unlink()
  (out / "live.tok").unlink()
  assert tree(out) == before


def test_a_probe_makes_and_removes_nothing(out):
  before = tree(out)
  disk.check_writable(out)
  disk.check_writable(out / "a" / "b")
  disk.check_file(out / "new" / "a.json", "--json")
  assert tree(out) == before


@pytest.mark.parametrize("name", ["/dev/null", "/dev/stdout", "/proc/self/x"])
def test_devices_are_no_files_to_replace(name):
  with pytest.raises(InputError, match="not a regular file"):
    disk.check_file(Path(name), "--json")
  with pytest.raises(InputError, match="not a regular file"):
    io.write_text(name, "text")


# A verb, and flags of it: IN is a folder that it reads, OUT one it writes.
_VERBS = {
  "render": "--workdir=W --capture=IN --out=OUT",
  "render scene": "--workdir=W --scene=0 --data=IN --out=OUT",
  "render tokens": "--workdir=W --tokens=IN/a.tok --out=OUT",
  "render workdir": "--workdir=IN --scene=0 --out=OUT",
  "generate": "--workdir=W --scene=0 --data=IN --out=OUT",
  "generate image": "--workdir=W --image=IN/a.png --fov=60 --out=OUT",
  "encode": "--workdir=W --capture=IN --out=OUT",
  "evaluate": "--workdir=W --protocol=heldout --data=IN --out=OUT",
  "evaluate workdir": "--workdir=IN --protocol=heldout --out=OUT",
  "analyze variance": "--workdir=W --data=IN --out=OUT",
  "pose-score": "--data=IN --workdir=W --out=OUT",
  "inspect": "IN --scene=0 --out=OUT",
  "prepare": "--dataset=capture --source=IN --out=OUT",
  "latents": "--config=rooms --data=IN --out=OUT",
  "convert": "--config=rooms --source=IN/a.tok --out=OUT",
  "compact": "--workdir=IN --out=OUT",
  "average": "--workdir=IN --std=0.1 --out=OUT",
  "export": "--workdir=W --scene=0 --data=IN --out=OUT",
  "export capture": "--workdir=W --capture=IN --out=OUT",
  "runs": "IN --out=OUT",
  "stage": "--data=IN --to=OUT",
  "codec-check": "IN --codec=block_dct --out=OUT",
  "make-index": "--data=IN --context=2 --out=OUT",
}


@pytest.mark.parametrize("verb", _VERBS)
def test_an_output_is_apart_from_every_source(
  verb, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  source = tmp_path / "in" / "capture"
  for name in ("frames/0000.png", "video.mp4", "a.tok", "a.png", "b/c.txt"):
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_text(name)
  (tmp_path / "link").symlink_to(source)
  before = tree(tmp_path)
  file = "/a." in _VERBS[verb]
  places = [source, source.parent, source / "b" / "new", tmp_path / "link"]
  for place in places[: 2 if file else 4]:
    flags = _VERBS[verb].replace("IN", str(source)).replace("OUT", str(place))
    assert scenetok.main([*verb.split()[:1], *_kind(verb), *flags.split()]) == 2
    told = capsys.readouterr().err
    assert "is, holds or lies in what" in told and told.count("\n") == 1
    assert tree(tmp_path) == before


def _kind(verb):
  first, *rest = verb.split()
  return rest if first == "analyze" else []


@pytest.mark.parametrize("name", ["config.json", "new.json"])
def test_a_report_replaces_no_file_of_a_source(name, tmp_path, capsys):
  (tmp_path / "config.json").write_text("{}")
  flags = ["--protocol=heldout", f"--data={tmp_path}", "--workdir=none"]
  assert scenetok.main(["evaluate", *flags, f"--json={tmp_path / name}"]) == 2
  told = capsys.readouterr().err
  assert ("lies in what --data" in told) == (name == "config.json")
  assert tree(tmp_path) == {"config.json": b"{}"}
