"""Tables hold the paper's numbers, mix no checkpoints, say what is missing."""

import json

import pytest

from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.paper import TABLES
from scenetok_jax.evaluation.protocols import PROTOCOLS
from scenetok_jax.evaluation.results import read_result
from scenetok_jax.evaluation.table_text import HEADINGS, cells, latex, markdown
from scenetok_jax.evaluation.tables import make_tables
from scenetok_jax.types import InputError


def result(folder, name, protocol="re10k_c12_128", checkpoint="a", **more):
  data = {
    "protocol": protocol,
    "generation": False,
    "checkpoint_sha256": checkpoint * 64,
    "checkpoint_step": 7,
    "index_file": f"{protocol}.json",
    "index_sha256": "b" * 64,
    "index_scenes": 136,
    "index_scenes_published": 136,
    "scenes": 130,
    "frames": 999,
    "psnr": 23.5,
    "ssim": 0.8,
    "representation_floats": 32768,
    "confidence_intervals": {"psnr": [23.0, 24.0]},
    "missing_metrics": {"fid": "fid_inception: no x.pth; get it from there"},
    "missing_scenes": ["gone1", "gone2"],
    "per_scene": {},
    **more,
  }
  path = folder / f"{name}.json"
  path.write_text(json.dumps(data))
  return read_result(path)


def find(table, measure, setting="12 views"):
  (line,) = [
    x for x in table.lines if (x.setting, x.measure) == (setting, measure)
  ]
  return line


def test_measured_beside_paper_with_the_difference(tmp_path):
  (table,) = make_tables([result(tmp_path, "r")])
  line = find(table, "psnr")
  assert (line.paper, line.measured) == (23.99, 23.5)
  assert line.difference == pytest.approx(-0.49)
  assert cells(line) == [
    "12 views", "PSNR (dB)", "23.99", "23.50", "23.00 to 24.00", "-0.49",
    "130 of 136",
  ]  # fmt: skip
  # Known to the paper, not measured: shown as such, never as a number.
  assert cells(find(table, "lpips"))[3] == "-"
  assert cells(find(table, "rfid"))[3] == "missing"
  assert find(table, "rfid").difference is None
  assert any("get it from there" in note for note in table.notes)
  assert any("2 scenes missing: gone1, gone2" in note for note in table.notes)
  assert any("bbbbbbbb" in note and "aaaaaaaa" in note for note in table.notes)
  assert find(table, "rfid").missing
  # The row without a result stays in the table.
  assert find(table, "psnr", "5 views").measured is None
  assert {line.setting for line in table.others} == {
    "12 views: DepthSplat", "12 views: LVSM", "5 views: LVSM",
  }  # fmt: skip


def test_rows_of_one_model_from_two_checkpoints_are_refused(tmp_path):
  mixed = [
    result(tmp_path, "one"),
    result(tmp_path, "two", "re10k_c5_64", checkpoint="c"),
  ]
  with pytest.raises(InputError, match="one table tells of one model") as told:
    make_tables(mixed)
  message = str(told.value)
  assert "one.json" in message and "two.json" in message
  assert "aaaaaaaaaaaa" in message and "cccccccccccc" in message
  (table,) = make_tables(mixed, compare=True)
  assert find(table, "psnr", "5 views").measured == 23.5


def test_rows_of_several_models_may_differ(tmp_path):
  several = [
    result(tmp_path, "dc", "dl3dv_c16_32"),
    result(tmp_path, "wan", "dl3dv_c16_34", checkpoint="c"),
  ]
  (table,) = make_tables(several)
  assert len(table.results) == 2


def test_two_results_for_a_row_are_refused(tmp_path):
  twice = [result(tmp_path, "one"), result(tmp_path, "two")]
  with pytest.raises(InputError, match="give one result for a row"):
    make_tables(twice)


def test_generated_scenes_are_told_apart_by_shift(tmp_path):
  def generated(shift, checkpoint):
    options = {"generation": {"shift": shift}}
    return result(
      tmp_path, f"s{shift}", "re10k_c1_192", checkpoint,
      generation=True, options=options, gfid=19.5,
    )  # fmt: skip

  found = [generated(4.0, "a"), generated(12.0, "c"), generated(7.0, "c")]
  table, own = make_tables(found)
  line = find(table, "gfid", "timestep shift 4")
  assert line.difference == pytest.approx(0.46)
  assert find(table, "gfid", "timestep shift 12").paper == 18.90
  assert find(table, "gfid", "timestep shift 1").measured is None
  # A shift that the paper has not is no row of its table.
  assert own.name == "own" and own.lines[0].paper is None
  missing = find(table, "gfid", "timestep shift 12")
  assert missing.missing is None


def test_a_single_scene_has_no_interval(tmp_path):
  (table,) = make_tables([result(tmp_path, "r", scenes=1)])
  assert find(table, "psnr").measured == 23.5
  assert find(table, "psnr").interval is None


def test_own_protocols_have_a_table_without_paper(tmp_path):
  mine = result(
    tmp_path, "mine", "heldout", index_file=None, index_scenes_published=None
  )
  (table,) = make_tables([mine])
  assert table.name == "own" and not table.others
  assert all(line.paper is None for line in table.lines)
  assert cells(table.lines[0])[0] == "mine (heldout)"
  assert find(table, "rfid", "mine (heldout)").missing
  other = result(tmp_path, "other", "heldout", checkpoint="c")
  with pytest.raises(InputError, match="--compare"):
    make_tables([mine, other])
  (table,) = make_tables([mine, other], compare=True)
  assert len({line.setting for line in table.lines}) == 2
  assert "cccccccc" in "".join(line.setting for line in table.lines)


def pose_score(folder, transfer=True):
  path = folder / "pose.json"
  row = {"frames": 10, "placed": 9, "racc@10": 0.5, "auc@30": 0.25}
  data = {
    "arguments": {"transfer": transfer, "every": 4, "workdir": "runs/x"},
    "oracle": "pycolmap",
    "judged": "another scene along this path",
    "racc@10": 0.5,
    "auc@30": 0.25,
    "shuffled_auc@30": 0.1,
    "checkpoint_sha256": "a" * 64,
    "checkpoint_step": 5,
    "confidence_intervals": {"auc@30": [0.2, 0.3]},
    "missing_metrics": {"fid": "fid_inception: get it from there"},
    "per_scene": {"a": row, "b": row},
  }
  path.write_text(json.dumps(data))
  return path


def test_pose_scores_have_their_table(tmp_path):
  (table,) = make_tables([read_result(pose_score(tmp_path))])
  assert table.name == "trajectories"
  line = find(table, "racc@10", "paired scenes")
  assert cells(line)[2:4] == ["75.81", "50.00"]
  line = find(table, "auc@30", "paired scenes")
  assert cells(line)[4:] == ["0.200 to 0.300", "-0.343", "2"]
  # FID belongs beside it, as copying the other scene's pixels scores well.
  assert find(table, "fid", "paired scenes").missing
  assert any("aaaaaaaa" in note for note in table.notes)
  with pytest.raises(InputError, match="pose-score --transfer"):
    read_result(pose_score(tmp_path, transfer=False))


def test_all_tables_can_be_shown_without_results():
  tables = make_tables([], whole=True)
  assert [table.name for table in tables] == [table.name for table in TABLES]
  assert all(line.measured is None for t in tables for line in t.lines)


def test_every_published_number_has_a_heading_and_a_protocol():
  for table in TABLES:
    for setting in table.settings:
      assert setting.protocol in PROTOCOLS or setting.protocol == "tps"
      for numbers in (setting.paper, *setting.others.values()):
        assert set(numbers) <= set(measures())


def test_markdown_and_latex_have_every_row(tmp_path):
  tables = make_tables([result(tmp_path, "a_b")], whole=True)
  rows = sum(len(table.lines) + len(table.others) for table in tables)
  text = markdown(tables)
  assert text.count("\n|") == rows + 2 * len(tables)
  assert f"| {' | '.join(HEADINGS)} |" in text
  source = latex(tables)
  assert source.count(r"\\" + "\n") == rows + len(tables)
  assert r"95 \% interval" in source
  assert source.count(r"\begin{tabular}") == source.count(r"\end{tabular}")
  body = [row for row in source.splitlines() if not row.startswith("%")]
  assert not any("_" in row.replace(r"\_", "") for row in body)


@pytest.mark.parametrize(
  "text, told",
  [
    ("{", "not valid JSON"),
    ('{"protocol": "x"}', "checkpoint_sha256, index_sha256, scenes: not there"),
    ("[]", "holds a list"),
  ],
)
def test_other_files_are_refused(tmp_path, text, told):
  path = tmp_path / "x.json"
  path.write_text(text)
  with pytest.raises(InputError, match=told):
    read_result(path)
  with pytest.raises(InputError, match="not found"):
    read_result(tmp_path / "absent.json")


@pytest.mark.parametrize(
  "changes, told",
  [
    ({"missing_metrics": "fid"}, "missing_metrics: 'fid' is not an object"),
    ({"psnr": "23"}, "psnr: '23' is not a finite number"),
    ({"per_scene": {"a": {"psnr": []}}}, "'a': psnr: a list of 0 is not"),
    ({"confidence_intervals": {"psnr": [1]}}, "is not a list of 2"),
    ({"options": {"generation": 7}}, "generation: 7 is not an object"),
    ({"index_sha256": "\ud800"}, "without control characters"),
    ({"protocol": "\x1b[31m"}, "without control characters"),
    ({"scenes": 1e30}, "scenes: 1e.30 is not an integer"),
  ],
)
def test_fields_of_other_types_are_named(tmp_path, changes, told):
  with pytest.raises(InputError, match=told):
    result(tmp_path, "r", **changes)


def test_a_measure_that_nobody_knows_is_a_note(tmp_path):
  found = result(tmp_path, "r", missing_metrics={"other": "no\nweights"})
  (table,) = make_tables([found])
  assert any("other not computed: no weights" in x for x in table.notes)
  assert "no weights" in markdown([table])


@pytest.mark.parametrize("field", ["transfer", "every"])
def test_pose_scores_without_their_arguments_are_refused(tmp_path, field):
  path = pose_score(tmp_path)
  data = json.loads(path.read_text())
  del data["arguments"][field]
  path.write_text(json.dumps(data))
  with pytest.raises(InputError, match=f"arguments.{field}: missing"):
    read_result(path)
