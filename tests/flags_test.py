"""Numbers of flags: in range, or exit 2 with one line."""

import dataclasses

import pytest

from scenetok_jax import console, flags
from scenetok_jax.cli import main
from scenetok_jax.reading.schema import Few, Seed
from scenetok_jax.types import option


@dataclasses.dataclass(frozen=True)
class _Options:
  count: int = option(3, "any")
  few: Few = option(4, "some")
  maybe: Few | None = option(None, "some or none")
  many: tuple[Few, ...] = option((), "some")
  seed: Seed = option(0, "a seed")
  share: float = option(1.0, "a number")


def _run(argv):
  found = []

  def verb(argv):
    parser = console.parser("x", None, _Options)
    args = parser.parse_args(argv)
    found.append(flags.take_options(args, _Options))

  return console.run(verb, argv, "x"), found


@pytest.mark.parametrize("name", ["count", "few", "maybe", "many", "seed"])
@pytest.mark.parametrize(
  "text", ["-1", "1" + "0" * 30, "nan", "inf", "", "x", "2.5", "1e3", "\u0663"]
)
def test_numbers_out_of_range_are_one_line(name, text, capsys):
  assert _run([f"--{name}={text}"]) == (2, [])
  told = capsys.readouterr().err
  assert told.count("\n") == 1 and f"--{name}: invalid value" in told


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "", "x"])
def test_other_numbers_are_finite(text, capsys):
  assert _run([f"--share={text}"]) == (2, [])
  assert "--share: invalid value" in capsys.readouterr().err


def test_numbers_in_range_are_taken():
  line = "--few=65536 --maybe=1 --many 1 2 --seed=4294967295 --share=-2.5"
  code, (found,) = _run(["--count=0", *line.split()])
  assert code == 0 and found == _Options(0, 65536, 1, (1, 2), 2**32 - 1, -2.5)


@pytest.mark.parametrize(
  "line",
  [
    "render --workdir=w --scene=0 --out=o --seed=4294967296",
    "render --workdir=w --scene=0 --out=o --seed=-1",
    "encode --workdir=w --scene=0 --out=o --seed=9223372036854775808",
    "render --workdir=w --scene=0 --out=o --frames=0",
    "prepare --dataset=rooms --out=o --frames=0",
    "prepare --dataset=rooms --out=o --scenes=1" + "0" * 30,
    "prepare --dataset=rooms --out=o --frames-left-out -1",
    "codec-check --config=c --channels=-1",
    "codec-check --config=c --frames=-1",
    "make-index --data=d --out=o --context=2 --scenes=-1",
    "evaluate --workdir=w --batch=1000000000",
    "evaluate --workdir=w --batch=1e9",
    "data-bench --config=c --seconds=inf",
    "latents --config=configs/rooms.py:smoke --data=d --out=o"
    " --process-index=1",
  ],
)
def test_numbers_of_verbs_that_were_taken_are_refused(line, capsys):
  verb, *arguments = line.split()
  assert main.main([verb, *arguments]) == 2
  told = capsys.readouterr().err
  assert told.count("\n") == 1
  assert "invalid value" in told or "--process-index: needs" in told
