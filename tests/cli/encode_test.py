"""`scenetok encode`: what it refuses, in one line and with exit code 2."""

import pytest

from scenetok_jax import console
from scenetok_jax.cli import encode


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ((), "--scene, --capture: give one of the two"),
    (("--scene=0", "--capture=x"), "--scene, --capture: give one of the two"),
    (("--scene=0", "--storage=int4"), "invalid choice: 'int4'"),
  ],
)
def test_bad_usage(tmp_path, capsys, options, message):
  code = console.run(
    encode.main, ["--workdir=x", f"--out={tmp_path / 'a.tok'}", *options]
  )
  error = capsys.readouterr().err
  assert code == 2 and message in error
  assert error.count("\n") == 1


def test_a_folder_is_no_file_name(tmp_path, capsys):
  code = console.run(
    encode.main, ["--workdir=x", "--scene=0", f"--out={tmp_path}"]
  )
  assert code == 2
  assert "--out: a folder; give a file name" in capsys.readouterr().err


def test_an_unwritable_folder_is_refused_at_once(tmp_path, capsys):
  (tmp_path / "file").write_text("")
  out = tmp_path / "file" / "room.tok"
  code = console.run(encode.main, ["--workdir=x", "--scene=0", f"--out={out}"])
  error = capsys.readouterr().err
  assert code == 2 and f"{tmp_path / 'file'}: --out: a file" in error
