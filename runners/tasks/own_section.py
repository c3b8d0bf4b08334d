"""Reads the `tasks` of a spec, and checks them against their files before anything is trained."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from runners.rules import Rule
from runners.section import Section
from runners.tasks.own import INIT_WORDS, METRICS, OF_LABELS, OwnTask, columns_of, is_squad
from runners.tasks.question_answering import INIT_WORDS as QA_WORDS
from runners.tasks.task import Split

KEYS = (
    "train", "dev", "held_out", "input", "target", "labels", "metrics", "init_words", "instruction"
)  # fmt: skip
_TEMPLATES = ("input", "target", "labels", "metrics", "init_words")
_WORD = Rule(type=str)
_SHARE = Rule(type=float, above=0, below=1)


def read_tasks(section: Section, base: Path, taken: Collection[str]) -> dict[str, OwnTask]:
    """The tasks of a spec that lies in the folder `base`, by name.

    Every mistake is reported to the section: in what the spec says, and in the
    rows of the files. `taken` are the names of tasks that exist already.
    """
    found = {}
    for name in section.values:
        own = section.section(name)
        before = len(section.problems)
        if name in taken:
            section.report(name, name, "is the name of a published task", "give it another")
        task = _task(name, own, base)
        if task is None or len(section.problems) > before:
            continue
        _check_rows(own, task)
        # One whose files are not there yet is reported, and kept for who only plans.
        if task.absent or len(section.problems) == before:
            found[name] = _placed(task)
    return found


def _placed(task: OwnTask) -> OwnTask:
    """The task with absolute files, since workers have folders of their own."""
    train, dev = (path.resolve() if path else None for path in (task.train, task.dev))
    return replace(task, train=train, dev=dev)


def _task(name: str, own: Section, base: Path) -> OwnTask | None:
    own.only(KEYS)
    # What has dev alone is there to be transferred to.
    is_whole = "train" in own.values or "dev" not in own.values or "held_out" in own.values
    train = own.value("train", _WORD) if is_whole else None
    dev = own.value("dev", _WORD) if "dev" in own.values else None
    held_out = own.value("held_out", _SHARE) if "held_out" in own.values else None
    if ("dev" in own.values) is ("held_out" in own.values):
        rule = "stands beside held_out" if "dev" in own.values else "is missing"
        own.report("dev", own.values.get("dev"), rule, "give either dev or held_out")
    said = own.value("instruction", _WORD) if "instruction" in own.values else None
    first = train if is_whole else dev
    if first is None:
        return None
    path = base / first
    squad = path.suffixes[-1:] == [".json"] or path.suffixes[-2:] == [".json", ".gz"]
    templates = _squad(own) if squad else _templates(own)
    if templates is None:
        return None
    inputs, target, labels, metrics, words = templates
    return OwnTask(
        name=name, train=base / train if train else None, dev=base / dev if dev else None,
        held_out=held_out,
        input=inputs, target=target, labels=labels, metrics=metrics, init_words=words,
        instruction=said or "",
    )  # fmt: skip


_Templates = tuple[
    str | None, str | None, tuple[tuple[str, str], ...] | None, tuple[str, ...], tuple[str, ...]
]


def _squad(own: Section) -> _Templates:
    for key in _TEMPLATES:
        if key in own.values:
            rule = "does not apply to a file in SQuAD's form"
            own.report(key, own.values[key], rule, "leave it out")
    return None, None, None, ("exact_match", "f1"), QA_WORDS


def _templates(own: Section) -> _Templates | None:
    texts = [_template(own, key) for key in ("input", "target")]
    labels = _labels(own)
    metrics = _metrics(own, labels)
    words = tuple(word for _, word in labels) if labels else INIT_WORDS
    if "init_words" in own.values:
        words = own.listed("init_words", _WORD)
    if None in texts:
        return None
    return texts[0], texts[1], labels, metrics, words


def _template(own: Section, key: str) -> str | None:
    template: str | None = own.value(key, _WORD)
    if template is None:
        return None
    try:
        columns = columns_of(template)
    except ValueError as error:
        rule, _, remedy = str(error).partition("; ")
        own.report(key, template, f"is no template: {rule}", remedy)
        return None
    if not columns:
        own.report(key, template, "names no column", "write one in braces, such as {text}")
    return template


def _labels(own: Section) -> tuple[tuple[str, str], ...] | None:
    if "labels" not in own.values:
        return None
    labels = own.section("labels")
    words = {value: labels.value(value, _WORD) for value in labels.values}
    for value, word in words.items():
        if word is not None and word != " ".join(word.split()):
            rule = "has space at an end, twice in a row, or a line break, which tokenizers change"
            labels.report(value, word, rule, f"write {' '.join(word.split())!r}")
    if len(words) < 2:
        own.report("labels", dict(labels.values), "are fewer than two", "give every class its word")
    if len(set(words.values())) < len(words):
        own.report("labels", words, "share a word", "give each class a word of its own")
    return tuple((str(value), str(word)) for value, word in words.items())


def _metrics(own: Section, labels: tuple[tuple[str, str], ...] | None) -> tuple[str, ...]:
    if "metrics" not in own.values:
        return ("accuracy",) if labels else ("exact_match", "f1")
    named: tuple[str, ...] = own.listed("metrics", Rule(type=str, choices=tuple(METRICS)))
    for place, name in enumerate(named):
        if name in OF_LABELS and not labels:
            own.report(f"metrics[{place}]", name, "needs labels", "give labels, or leave it out")
        elif name == "binary_f1" and labels and len(labels) != 2:
            rule = f"is for two labels, and there are {len(labels)}"
            own.report(f"metrics[{place}]", name, rule, "use macro_f1")
    return named


def _check_rows(own: Section, task: OwnTask) -> None:
    """Reads every row as a trial would, so that a bad one is told before anything starts."""
    splits: tuple[Split, ...] = ("train", "dev") if task.train else ("dev",)
    for split in splits:
        where = split if split in own.values else "held_out"
        try:
            if split == "dev" and task.dev and is_squad(task.dev) is not (task.input is None):
                raise ValueError("is of another form than train; give both in one form")
            task.task.read(task.records(split), split=split)
        except ValueError as error:
            said, _, remedy = str(error).rpartition("; ")
            own.report(where, own.values.get(where), f"cannot be used: {said}", remedy)
            return
