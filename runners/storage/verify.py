"""Reads every byte that a store answers for, and says what is wrong."""

from collections.abc import Iterator, Mapping

from runners.record import Failure, TrialRecord
from runners.storage import manifests, states
from runners.storage.defects import Defect
from runners.storage.files import Files
from runners.storage.index import Index
from runners.storage.layout import attempt_path
from runners.storage.records import Discard, Kept, committed, notes, read_lines, read_notes

_RUN_AGAIN = "withdraw the trial (python -m sweeps withdraw), and it runs again"


def verify(files: Files, index: Index) -> list[Defect]:
    """Every defect of records, their files, notes, manifests, checkpoints and the index."""
    trials, strays = committed(files, files.folders("trials"))
    lines, unreadable = read_lines(files, trials)
    return [
        *strays,
        *unreadable,
        *(defect for line in lines.values() for defect in _files_of(files, line)),
        *_notes(files, "failures", Failure),
        *_notes(files, "discarded", Discard),
        *manifests.defects(files),
        *_states(files),
        *_index(index, lines),
    ]


def _files_of(files: Files, line: bytes) -> Iterator[Defect]:
    record = TrialRecord.from_json(line.decode())
    for name, checksum in record.files.items():
        path = f"{attempt_path(record.trial_id, record.attempt)}/{name}"
        digest = files.digest(path)
        if digest is None:
            yield Defect(path=path, problem="is missing", remedy=_RUN_AGAIN)
        elif digest != checksum:
            yield Defect(path=path, problem="is not what was committed", remedy=_RUN_AGAIN)


def _notes(files: Files, tree: str, form: type[Kept]) -> list[Defect]:
    by_trial, strays = notes(files, tree)
    paths = [path for paths in by_trial.values() for path in paths]
    found = read_notes(files, paths, form)
    return strays + [defect for defect in found if isinstance(defect, Defect)]


def _states(files: Files) -> Iterator[Defect]:
    for path in files.walk("running"):
        data = files.read(path)
        # A trial that ends meanwhile clears its states.
        if data is not None and not states.is_whole(data):
            yield states.torn(path)


def _index(index: Index, lines: Mapping[str, bytes]) -> Iterator[Defect]:
    index.refresh()
    # Readers list records first, and ask the record itself where its lines differ: a line
    # without a record, or one of several, misleads nobody.
    wrong = [
        trial_id
        for trial_id, line in index.lines().items()
        if not index.is_doubted(trial_id) and lines.get(trial_id, line) != line
    ]
    if wrong:
        problem = f"{len(wrong)} lines differ from their records, that of {wrong[0]} among them"
        yield Defect(
            path="index",
            problem=problem,
            remedy="rebuild it (python -m sweeps verify --rebuild-index)",
        )
