"""Specs: what a file means; what a bad one is told is in `test_bad_specs`."""

import hashlib
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from ablation.grid import build
from runners.data.text import read_text
from sweeps.execution import Execution
from sweeps.spec import SpecError, SweepSpec, load, parse

SPECS = Path(__file__).parents[2] / "sweeps" / "specs"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.yaml:1: spec: None is not a mapping; write 'key: value' lines below it"),
        ("- 1", "x.yaml:1: spec: [1] is not a mapping; write 'key: value' lines below it"),
    ],
)
def test_what_is_no_spec_at_all(text: str, said: str) -> None:
    """A file of another kind would otherwise be told of every key that it lacks."""
    with pytest.raises(SpecError) as caught:
        parse(text, path="x.yaml")
    assert str(caught.value) == said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A mistyped path deserves the same help as a mistyped key."""
    (tmp_path / "laptop.yaml").write_text("")
    wanted, there = tmp_path / "labtop.yaml", tmp_path / "laptop.yaml"
    with pytest.raises(ValueError, match="there is no such spec file") as caught:
        load(wanted)
    assert str(caught.value) == f"{wanted}: there is no such spec file; did you mean {there}?"
    with pytest.raises(ValueError, match="give the path of a YAML file"):
        load(tmp_path / "zzz" / "q")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    """A decoding error from deep inside names neither file nor remedy."""
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        load(path)


def test_every_part_of_a_spec_arrives(tmp_path: Path, text: str) -> None:
    """The hash must be that of the file, or provenance would point at another text."""
    path = tmp_path / "small.yaml"
    path.write_text(text)
    spec = load(path)
    assert (spec.name, spec.path, spec.text) == ("small", str(path), text)
    assert spec.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert spec.execution == Execution(store="results/small", workers=2)
    assert spec.trials == build(spec.study)


def test_execution_is_no_part_of_identity(text: str, spec: SweepSpec) -> None:
    """An id that knew of workers or folders would run everything again on another machine."""
    changed = text.replace("results/small, workers: 2", "s3://b/x, threads: 4, pack_size: 64")
    elsewhere = parse(changed.replace("name: small", "name: large"), path="other.yaml")
    assert elsewhere.execution != spec.execution
    assert elsewhere.trials == spec.trials


@pytest.mark.parametrize(
    ("old", "new"),
    [("batch_size: 16", "batch_size: 8"), ("0.3", "0.2"), ("seed: 0}", "seed: 1}")],
)
def test_settings_are_part_of_identity(text: str, spec: SweepSpec, old: str, new: str) -> None:
    """A result reused under other settings is a wrong number."""
    before = {trial.config.trial_id for trial in spec.trials}
    after = {trial.config.trial_id for trial in parse(text.replace(old, new), path="").trials}
    assert before - after


@pytest.mark.parametrize(
    ("name", "design", "tasks"),
    [("laptop", "star", 8), ("laptop_study", "star", 8), ("laptop_complete", "complete", 2)],
)
def test_shipped_specs(name: str, design: str, tasks: int) -> None:
    """A shipped spec that does not load, or lost a panel, fails its first user."""
    spec = load(SPECS / f"{name}.yaml")
    axes = spec.study.axes
    panels = frozenset[str]().union(*(trial.panels for trial in spec.trials))
    assert (spec.name, spec.study.design) == (name, design)
    assert (len(axes.task), len(axes.model_size)) == (tasks, 4)
    assert len(axes.seed) >= 2
    assert len(axes.prompt_length) >= 4
    assert len(axes.prompt_init) >= 3
    assert len(axes.lm_adaptation_steps) >= 4
    assert panels - {"grid"} == {
        "scale",
        "prompt_length",
        "prompt_init",
        "pretraining_objective",
        "lm_adaptation_steps",
    }


def test_the_papers_runs_of_transfer_are_counted_as_it_counts() -> None:
    """A.2: 18 runs, {SQuAD, QQP, MRPC} x {model, prompt} x 3; a list for all would make others."""
    specs = [load(SPECS / f"paper_{name}.yaml") for name in ("domain_shift", "paraphrase")]
    configs = [trial.config for spec in specs for trial in spec.trials]
    assert len(configs) == len({config.trial_id for config in configs}) == 18
    runs = {(config.task, config.method, config.seed) for config in configs}
    methods = ("model_tuning", "prompt_tuning")
    assert runs == set(product(("squad", "qqp", "mrpc"), methods, range(3)))
    assert {config.task: config.transfers for config in configs} == {
        "squad": ("bioasq", "drop", "duorc", "race", "relation_extraction", "textbookqa"),
        "qqp": ("mrpc",),
        "mrpc": ("qqp",),
    }
    assert {(config.model_family, config.model_size) for config in configs} == {("t5", "xxl")}
    assert [spec.catalogue.problems(t.config) for spec in specs for t in spec.trials] == [[]] * 18


def test_own_domains_are_named_and_known_by_content(text: str, tmp_path: Path) -> None:
    """Catches results kept when a dev file has changed, and a domain that is trained on."""
    (tmp_path / "rows.csv").write_text("a,b\nx,0\ny,1\n")
    (tmp_path / "far.csv").write_text("a,b\nz,0\n")
    form = "input: '{a}', target: '{b}'"
    odd, far = f"{{train: rows.csv, dev: rows.csv, {form}}}", f"{{dev: far.csv, {form}}}"
    text = f"tasks: {{odd: {odd}, far: {far}}}\n" + text.replace("[boolq, record]", "[rte, odd]")
    text = text.replace(
        "dev_examples: 100", "data_source: published, transfer_tasks: [odd, far, rte]"
    )
    path = str(tmp_path / "my.yaml")
    spec = parse(text, path=path)
    own = spec.catalogue.own_tasks
    asked = {t.config.task: (t.config.transfers, t.config.transfer_content) for t in spec.trials}
    assert asked == {
        "rte": (("far", "odd"), f"{own['far'].dev_content},{own['odd'].dev_content}"),
        "odd": (("far", "rte"), own["far"].dev_content),
    }
    assert [spec.catalogue.problems(trial.config) for trial in spec.trials[:1]] == [[]]
    (tmp_path / "far.csv").write_text("a,b\nz,1\n")
    before = {trial.config.trial_id for trial in spec.trials}
    assert not before & {trial.config.trial_id for trial in parse(text, path=path).trials}
    with pytest.raises(SpecError) as caught:
        parse(text.replace("[rte, odd]", "[rte, far]"), path=path)
    assert str(caught.value) == (
        f"{path}:9: axes.task[1]: 'far' has a dev split alone; train on another task, and name "
        "this one in transfer_tasks"
    )


def test_reading_a_spec_loads_no_tensors_and_no_ray() -> None:
    """Checking a spec must not cost the seconds that torch and ray take to load."""
    code = (
        "import sys, sweeps.spec, sweeps.plan, sweeps.summary, sweeps.manifest\n"
        "print(sorted({'torch', 'ray', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_published_and_own_tasks_stand_side_by_side(text: str, tmp_path: Path) -> None:
    """Catches a task whose examples come from where another's do."""
    (tmp_path / "rows.csv").write_text("a,b\nx,0\ny,1\n")
    added = (
        "tasks: {odd: {train: rows.csv, dev: rows.csv, input: '{a}', target: '{b}'}}\n"
        "data: {superglue: {dir: .}}\n"
    )
    text = text.replace("[boolq, record]", "[boolq, sst2, odd]")
    text = text.replace("dev_examples: 100", "dev_examples: 100, data_source: published")
    spec = parse(added + text, path=str(tmp_path / "my.yaml"))
    sources = {trial.config.task: trial.config.data_source for trial in spec.trials}
    assert sources == {"boolq": "superglue", "sst2": "glue", "odd": "own"}
    contents = {trial.config.task_content for trial in spec.trials}
    assert contents == {None, spec.catalogue.own_tasks["odd"].content}
    assert spec.catalogue.problems(spec.trials[0].config) == []
    methods = {trial.config.method for trial in spec.trials if trial.config.task == "odd"}
    assert methods == {"prompt_tuning", "model_tuning"}


def _with_text(text: str, folder: str) -> str:
    return text.replace("seed: 0}", f"seed: 0, text: {folder}}}")


def test_a_text_is_known_by_its_fingerprint(text: str, tmp_path: Path) -> None:
    """Catches trials that change their ids with the place of the text, or that lose the text."""
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(f"Sentence {n}." for n in range(500)))
    fingerprint = read_text(folder).fingerprint
    spec = parse(_with_text(text, "../text"), path=str(tmp_path / "specs" / "small.yaml"))
    assert spec.catalogue.texts == {fingerprint: folder}
    texts = {
        (trial.config.lm_adaptation_steps > 0, trial.config.lm_adaptation_text)
        for trial in spec.trials
    }
    assert texts == {(True, fingerprint), (False, None)}
    moved = parse(_with_text(text, str(folder)), path="elsewhere.yaml")
    ids = {trial.config.trial_id for trial in spec.trials}
    assert ids == {trial.config.trial_id for trial in moved.trials}
    assert ids != {trial.config.trial_id for trial in parse(text, path="small.yaml").trials}


def test_a_text_that_is_not_there_is_told_among_other_mistakes(text: str, tmp_path: Path) -> None:
    """Catches a second round, or a sweep that starts and finds no text in its workers."""
    broken = _with_text(text, "gone").replace("design: star", "design: stars")
    with pytest.raises(SpecError) as caught:
        parse(broken, path=str(tmp_path / "my.yaml"))
    first, second = str(caught.value).splitlines()
    assert first.endswith(
        "2: design: 'stars' is not one of star, complete, search; did you mean 'star'?"
    )
    assert second == (
        f"{tmp_path / 'my.yaml'}:19: settings.lm_adaptation.text: '{tmp_path / 'gone'}' does not "
        "exist; give a folder of .txt or .jsonl files"
    )


DECODERS = """\
name: decoders
design: complete
model_family: smollm2
axes: {model_size: [135m], task: [cb], seed: [0]}
defaults:
  {prompt_length: 1, prompt_init: class_label, pretraining_objective: causal_lm,
   lm_adaptation_steps: 0}
settings:
  shared: {batch_size: 4, train_steps: 2, eval_every: 1, dropout: SHARED}
  prompt_tuning: {learning_rate: 0.3}
  model_tuning: {learning_rate: 0.3, dropout: OWN}
baselines: [model_tuning]
execution: {store: results/decoders}
"""
NO_DROPOUT = (
    "is not there for smollm2, for decoder-only models are pre-trained without; give 0, or leave "
    "it out"
)


def test_dropout_of_decoder_only_models_is_told_where_it_stands() -> None:
    """Catches a setting that every trial of a sweep dies of at its first step."""
    with pytest.raises(SpecError) as caught:
        parse(DECODERS.replace("SHARED", "0.1").replace("OWN", "0.2"), path="my.yaml")
    assert str(caught.value).splitlines() == [
        f"my.yaml:9: settings.shared.dropout: 0.1 {NO_DROPOUT}",
        f"my.yaml:11: settings.model_tuning.dropout: 0.2 {NO_DROPOUT}",
    ]
    assert parse(DECODERS.replace("SHARED", "0").replace("OWN", "0"), path="my.yaml").trials
    searched = DECODERS.replace("SHARED", "0").replace(", dropout: OWN", "")
    searched = searched.replace("design: complete", "design: search").replace(
        "baselines: [model_tuning]\n", "search: {prompt_tuning: {dropout: [0, 0.1]}}\n"
    )
    searched = searched.replace("  model_tuning: {learning_rate: 0.3}\n", "")
    with pytest.raises(SpecError, match=r"^my.yaml:11: search.prompt_tuning.dropout: 0.1 is not"):
        parse(searched, path="my.yaml")


@pytest.mark.parametrize(
    ("name", "word"), [("workers", "all"), ("threads", "auto"), ("pack_size", "auto")]
)
def test_some_numbers_can_be_left_open(text: str, name: str, word: str) -> None:
    """A spec that names numbers of a machine, and has to be written anew for each."""

    def executed(said: str) -> Execution:
        return parse(text.replace("workers: 2", f"{name}: {said}"), path="small.yaml").execution

    assert getattr(executed(word), name) is None
    assert getattr(executed("3"), name) == 3
    for said in ("most", "0", "true", "1.5", "null"):
        with pytest.raises(SpecError, match=f"execution.{name}: .* is neither a whole number of 1"):
            executed(said)
