"""A store in a folder and one in memory, and hands to put things into them and take them out."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest

from runners.record import TrialRecord
from runners.store import Attempt, Store


@dataclass(frozen=True)
class Bench:
    """A store and what tests do to it, by its users' way and behind its back."""

    store: Store

    def record_of(self, attempt: Attempt, score: float = 50.0) -> TrialRecord:
        """What an attempt would commit."""
        return TrialRecord(
            trial_id=attempt.trial_id,
            attempt=attempt.id,
            stage="tuning",
            label="60k-p20-boolq-s0",
            config={"task": "boolq"},
            metrics={"score": score},
            provenance={"host": "here"},
            files={},
        )

    def commit(self, trial_id: str, score: float = 50.0) -> TrialRecord:
        """A committed record with one file."""
        attempt = self.store.begin(trial_id)
        (attempt.folder / "history.jsonl").write_text(f'{{"score": {score}}}\n')
        assert attempt.commit(self.record_of(attempt, score))
        record = self.store.get(trial_id)
        assert record is not None
        return record

    def fresh(self) -> Store:
        """The store as another process opens it."""
        return Store(self.store.root)

    def write(self, path: str, data: bytes) -> None:
        """Put bytes at a path of the store."""
        fs, base = fsspec.core.url_to_fs(self.store.root)
        fs.makedirs(f"{base}/{path.rpartition('/')[0]}", exist_ok=True)
        fs.pipe_file(f"{base}/{path}", data)

    def read(self, path: str) -> bytes:
        """The bytes at a path of the store."""
        fs, base = fsspec.core.url_to_fs(self.store.root)
        return bytes(fs.cat_file(f"{base}/{path}"))

    def remove(self, path: str) -> None:
        """Delete a file or a folder of the store."""
        fs, base = fsspec.core.url_to_fs(self.store.root)
        fs.rm(f"{base}/{path}", recursive=True)

    def files(self, folder: str) -> list[str]:
        """Names of the files in a folder of the store."""
        fs, base = fsspec.core.url_to_fs(self.store.root)
        return sorted(path.rpartition("/")[2] for path in fs.find(f"{base}/{folder}"))


@pytest.fixture(scope="module", autouse=True)
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Killed attempts leave staged files behind; here they go with the test's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("staging")))
        yield


@pytest.fixture
def bench(root: str) -> Bench:
    """A store with nothing in it."""
    return Bench(Store(root))


@pytest.fixture
def local(tmp_path: Path) -> Bench:
    """A store with nothing in it, in a folder."""
    return Bench(Store(tmp_path / "store"))
