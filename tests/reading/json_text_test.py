"""JSON of hostile files: one line that names the file, and no memory."""

import itertools
import json
import time
import tracemalloc

import pytest

from scenetok_jax.reading import json_text
from scenetok_jax.types import InputError

_DEEP = 100_000


@pytest.mark.parametrize(
  "text, problem",
  [
    ("[" * _DEEP + "]" * _DEEP, "nested deeper than 64"),
    ('{"a":' * _DEEP + "1" + "}" * _DEEP, "nested deeper than 64"),
    ("[" * _DEEP, "nested deeper than 64"),
    ('{"a": ' + "9" * 400 + "}", "an integer of 400 digits"),
    ('{"a": -' + "9" * 21 + "}", "an integer of 22 digits"),
    ('{"a": 1e999}', "'1e999' is beyond float64"),
    ('{"a": 0.' + "1" * 2000 + "}", "is beyond float64"),
    ('{"a": NaN}', "NaN is no number"),
    ('{"a": -Infinity}', "-Infinity is no number"),
    ('{"a": 1, "b": 2, "a": 3}', "'a' is listed twice"),
    ('{"a": "x\x00y"}', "Invalid control character"),
    ("", "Expecting value"),
    ('{"a": 1', "Expecting ',' delimiter"),
    ('"' + '\\"' * 200_000, "Unterminated string"),
    (b"\xff{}", "can't decode byte 0xff"),
    (b"\xff\xfe{}", "Expecting value"),
    ("[1]", "holds a list, not an object"),
    ("null", "holds a NoneType, not an object"),
  ],
  ids=itertools.count(),
)
def test_what_is_no_sound_document_is_one_error(text, problem):
  data = text if isinstance(text, bytes) else text.encode()
  start = time.perf_counter()
  with pytest.raises(InputError) as error:
    json_text.parse(data, "x.json")
  told = str(error.value)
  assert told.startswith("x.json: ") and problem in told
  assert told.endswith("; write it again") and len(told) < 400
  assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
  "value",
  [
    {"a": [1, -2, 2**64 - 1], "b": {"c": None}, "d": [1e300, -0.5, True]},
    {"brackets": "[" * 1000, "quotes": '"[' * 1000 + "\\"},
    {"pair": "\U0001f600", "no NUL": "\\u0000", "é": "\x1b"},
    {"deep": json.loads("[" * 63 + "]" * 63)},
  ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_sound_documents_are_read(value, ascii_only):
  data = json.dumps(value, ensure_ascii=ascii_only).encode()
  assert json_text.parse(data, "x") == value
  assert json_text.parse(b"\xef\xbb\xbf" + data, "x") == value


def test_what_is_asked_for_is_allowed():
  found = json_text.parse(b'{"a": NaN, "b": Infinity}', "x", nan=True)
  assert found["a"] != found["a"] and found["b"] == float("inf")
  pairs = json_text.parse(b'{"a": 1, "a": 2}', "x", pairs=True, root=list)
  assert pairs == [("a", 1), ("a", 2)]
  assert json_text.parse(b"[1]", "x", root=list) == [1]


def test_too_large_a_file_is_not_read(tmp_path):
  path = tmp_path / "x.json"
  with path.open("wb") as file:
    file.truncate(1 << 40)  # takes no room on the disk
  tracemalloc.start()
  with pytest.raises(InputError, match=r"x\.json: cannot be read \(larger"):
    json_text.read_json(path)
  with pytest.raises(InputError, match=r"line 1: not valid JSON \(larger"):
    list(json_text.read_rows(path))
  assert tracemalloc.get_traced_memory()[1] < 4 * json_text.MAX_BYTES
  tracemalloc.stop()


@pytest.mark.parametrize("read", [json_text.read_json, json_text.read_rows])
def test_what_cannot_be_read_is_told(tmp_path, read):
  cases = {"none": "not found", "a\0b": "NUL", "folder": "a folder"}
  (tmp_path / "folder").mkdir()
  cases["x" * 300] = "File name too long"
  for name, problem in cases.items():
    with pytest.raises(InputError, match=problem):
      list(read(tmp_path / name))


def test_every_line_is_checked(tmp_path):
  path = tmp_path / "rows.jsonl"
  path.write_text('{"a": 1}\n{"a": "\u2028"}\n')
  assert [row["a"] for _, row in json_text.read_rows(path)] == [1, "\u2028"]
  for bad in ('{"a": NaN}', "[]", "", '{"a": 1} {"a": 2}'):
    path.write_text('{"a": 1}\n' + bad + '\n{"a": 3}\n')
    with pytest.raises(InputError, match=r"rows\.jsonl: line 2: .*; again"):
      list(json_text.read_rows(path, "again"))
