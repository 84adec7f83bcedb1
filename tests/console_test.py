"""Commands end with the promised exit codes and one line of explanation."""

import dataclasses
import json
import subprocess
import sys

import pytest

from scenetok_jax import console, flags
from scenetok_jax.cli import main
from scenetok_jax.types import InputError, option


def _raises(error):
  def verb_main(argv):
    raise error

  return verb_main


def test_success_is_zero():
  assert console.run(lambda argv: None, [], "train") == 0


def test_bad_input_is_one_line_and_exit_code_two(capsys):
  error = InputError("clip: frame 3: missing;\n  restore it")
  assert console.run(_raises(error), [], "prepare") == 2
  expected = "scenetok prepare: error: clip: frame 3: missing; restore it\n"
  assert capsys.readouterr() == ("", expected)


def test_bad_usage_is_one_line_and_exit_code_two(capsys):
  def verb_main(argv):
    parser = console.parser("render", "Renders.")
    parser.add_argument("--fps", type=int)
    parser.parse_args(argv)

  assert console.run(verb_main, ["--fps", "many"], "render") == 2
  error = capsys.readouterr().err
  assert error.startswith("scenetok render: error: argument --fps: invalid")
  assert error.count("\n") == 1


def test_interrupt_is_130(capsys):
  assert console.run(_raises(KeyboardInterrupt()), [], "train") == 130
  assert "interrupted" in capsys.readouterr().err


def test_bugs_are_not_hidden():
  with pytest.raises(ZeroDivisionError):
    console.run(_raises(ZeroDivisionError()), [], "train")


def test_verb_defaults_to_the_file_of_main(capsys):
  console.run(_raises(InputError("x")), [])
  assert "scenetok console_test: error" in capsys.readouterr().err


def test_progress_prints_few_lines_where_there_is_no_terminal(
  capsys, monkeypatch
):
  clock = iter(range(0, 10_000, 3))
  monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
  with console.Progress("train", 40, "step") as progress:
    for step in range(40):
      progress.update(note=f"loss {step}")
  lines = capsys.readouterr().err.splitlines()
  assert 3 < len(lines) < 20
  assert "train" in lines[0] and "<" in lines[0], "shows the remaining time"
  assert "40/40" in lines[-1] and "loss 39" in lines[-1]
  assert not any("\r" in line for line in lines)


def test_the_remaining_time_forgets_compilation(capsys, monkeypatch):
  now = [0.0]
  monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
  with console.Progress("frames", 100, "step") as progress:
    # Continued from step 10; compiled for 300 s; then 2 s a step.
    for seconds, count in ((0, 10), (300, 1), (10, 5), (10, 5)):
      now[0] += seconds
      progress.update(count)
  first, *_, last = capsys.readouterr().err.splitlines()
  assert "11/100" in first
  assert "21/100 [05:20<02:38,  2.00s/step]" in last


def test_unknown_verb_lists_the_known_ones(capsys):
  assert main.main(["fly"]) == 2
  error = capsys.readouterr().err
  assert error.startswith("scenetok: error: unknown verb 'fly'; choose one of")
  assert error.count("\n") == 1


def test_help_names_every_verb_that_exists(capsys):
  assert main.main(["--help"]) == 0
  text = capsys.readouterr().out
  assert all(f"\n  {verb} " in text for verb in main.VERBS)


def test_main_imports_the_verb_late(monkeypatch, capsys):
  class Verb:
    main = staticmethod(_raises(InputError("no such clip; name another")))

  monkeypatch.setattr(main, "VERBS", {"render": ""})
  monkeypatch.setitem(sys.modules, "scenetok_jax.cli.render", Verb)
  assert main.main(["render", "--scene=x"]) == 2
  assert "scenetok render: error: no such clip" in capsys.readouterr().err


@dataclasses.dataclass(frozen=True)
class _Options:
  steps: int | None = option(None, "denoising steps")
  interval: tuple[float, float] = option((0.0, 1.0), "between these levels")
  keep_all: bool = option(False, "keep everything")
  kind: str = option("a", "one of two", choices=("a", "b"), flag="--sort")
  inner: int = 3


def _taken(*argv, prefix=""):
  parser = console.parser("x", "does x")
  flags.add_options(parser, _Options, prefix)
  return flags.take_options(parser.parse_args(argv), _Options, prefix)


def test_options_of_a_dataclass_are_flags_and_come_back():
  assert _taken() == _Options()
  given = _taken("--steps=4", "--interval", "0.2", "0.8", "--keep-all")
  assert given == _Options(4, (0.2, 0.8), True)
  assert _taken("--render-sort=b", prefix="render-").kind == "b"


def test_a_result_is_written_where_it_is_asked_for(tmp_path):
  parser = console.parser("x", "does x", json=True)
  console.write_json(parser.parse_args([]), {"a": 1})
  file = tmp_path / "new" / "r.json"
  console.write_json(parser.parse_args([f"--json={file}"]), {"a": 1})
  assert json.loads(file.read_text()) == {"a": 1}
  with pytest.raises(InputError, match="--json: a folder; give a file name"):
    parser.parse_args([f"--json={tmp_path}"])


def test_an_option_of_the_wrong_type_is_bad_usage():
  with pytest.raises(InputError, match="--steps"):
    _taken("--steps=many")
  with pytest.raises(InputError, match="--sort"):
    _taken("--sort=c")


def test_messages_are_one_short_line_that_moves_no_cursor(capsys):
  def main(argv):
    raise InputError("scene \x1b[2J\x07\u202e" + "x" * 5_000_000 + ": the end")

  assert console.run(main, [], "verb") == 2
  told = capsys.readouterr().err
  assert len(told) < 5000 and told.endswith(": the end\n")
  assert told[:-1].isprintable() and "\\x1b[2J\\x07\\u202e" in told


def test_a_refused_process_ends_though_a_thread_waits_for_ever():
  program = """
import threading
from scenetok_jax import console
console._EXIT_SECONDS = 0.5
threading.Thread(target=threading.Event().wait).start()
def main(argv):
  raise OSError(28, "No space left on device", "/disk/whole/path")
console.script(main)
"""
  command = [sys.executable, "-c", program]
  ended = subprocess.run(
    command, check=False, capture_output=True, text=True, timeout=60
  )
  assert ended.returncode == 2 and ended.stderr.count("\n") == 1
  assert "/disk/whole/path: cannot be written (No space left" in ended.stderr
