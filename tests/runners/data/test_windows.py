"""Text as windows: every token once an epoch, nothing but the step and the seed decides."""

from pathlib import Path

import numpy as np
import pytest

from runners.data.batching import Encoded
from runners.data.text import Text, read_text
from runners.data.windows import (
    CorruptedWindows,
    PrefixWindows,
    Windows,
    held_out_windows,
    train_windows,
)
from runners.model.t5_backbone import T5Backbone

FIRST_SENTINEL, END = 699, 1


def _windows(tokens: int = 103, *, batch_size: int = 4, seed: int = 0) -> Windows:
    stream = np.arange(100, 100 + tokens, dtype=np.int32)
    return Windows(stream=stream, length=10, batch_size=batch_size, seed=seed)


def _text(*, train: tuple[str, ...], held_out: tuple[str, ...]) -> Text:
    return Text(folder=Path("t"), train=train, held_out=held_out, fingerprint="", repeated=0)


def test_an_epoch_goes_round_the_stream_once() -> None:
    """Catches a window that is read twice before another is read, or one that has a gap."""
    windows = _windows(batch_size=5)
    read = np.concatenate([list(windows.batch(step)) for step in range(2)])  # [10, 10]
    assert windows.an_epoch == 10
    assert len(set(read.flatten().tolist())) == 100
    following = (read[:, 1:] - read[:, :-1]) % 103
    assert (following == 1).all()


def test_every_epoch_is_cut_elsewhere_and_dealt_out_anew() -> None:
    """Catches a model that always sees the same tokens at the start of a window."""
    windows = _windows(batch_size=10)
    starts = [{int(window[0]) for window in windows.batch(epoch)} for epoch in range(8)]
    assert len({frozenset(each) for each in starts}) > 5
    first, second = ([int(w[0]) for w in windows.batch(epoch)] for epoch in (0, 1))
    assert np.argsort(first).tolist() != np.argsort(second).tolist()


def test_a_batch_is_a_function_of_step_and_seed() -> None:
    """Catches a run that reads something else after it was cut off, or two seeds that are one."""
    one, same, other = _windows(), _windows(), _windows(seed=1)
    for step in (7, 2, 50):
        read = np.stack(list(one.batch(step)))
        assert np.array_equal(read, np.stack(list(same.batch(step))))
        assert not np.array_equal(read, np.stack(list(other.batch(step))))


def test_a_batch_may_span_epochs() -> None:
    """Catches a short batch at the end of an epoch."""
    batches = [np.stack(list(_windows(batch_size=4).batch(step))) for step in range(5)]
    assert {batch.shape for batch in batches} == {(4, 10)}
    # 20 windows are two epochs of 10.
    both = np.concatenate(batches)
    assert all(len(set(part.flatten().tolist())) == 100 for part in (both[:10], both[10:]))


def _restored(row: Encoded) -> list[int]:
    """A window from both halves of its corruption (Raffel et al. 2020, 3.1.4)."""
    spans: dict[int, list[int]] = {}
    for token in row.target_ids[:-1].tolist():
        if token > FIRST_SENTINEL - 100:
            last = spans.setdefault(token, [])
        else:
            last.append(token)
    return [
        token
        for place in row.input_ids[:-1].tolist()
        for token in (spans[place] if place > FIRST_SENTINEL - 100 else [place])
    ]


def test_a_corrupted_window_can_be_put_together_again() -> None:
    """Catches a token that is lost, or an end that is missing; 15 of 100 tokens are masked."""
    stream = np.arange(3, 503, dtype=np.int32)
    windows = Windows(stream=stream, length=100, batch_size=5, seed=0)
    rows = CorruptedWindows(windows=windows, end_id=END, first_sentinel=FIRST_SENTINEL)
    for row, window in zip(rows.batch(3), windows.batch(3), strict=True):
        assert _restored(row) == window.tolist()
        assert row.input_ids[-1] == row.target_ids[-1] == END
        # 15 tokens in 5 spans: 85 and 5 sentinels in, 15 and 5 out, each with its end.
        assert (len(row.input_ids), len(row.target_ids)) == (91, 21)


def test_a_prefix_is_cut_anywhere_and_its_continuation_is_the_rest() -> None:
    """Catches a cut that favours a place, or a continuation that stops before the window does."""
    windows = _windows(batch_size=2000)
    rows = PrefixWindows(windows=windows, end_id=END).batch(0)
    for row, window in zip(rows, windows.batch(0), strict=True):
        assert [*row.input_ids[:-1], *row.target_ids[:-1]] == window.tolist()
    counts = np.bincount([len(row.input_ids) - 1 for row in rows])
    assert counts[0] == 0 and len(counts) == 10
    assert 160 < counts[1:].min() <= counts[1:].max() < 290


def test_documents_lie_end_to_end(backbone: T5Backbone, text_folder: Path) -> None:
    """Catches a document that is dropped, or a mark between two of them."""
    text = read_text(text_folder)
    windows = train_windows(text, backbone.codec, length=32, batch_size=4, seed=0)
    encoded = backbone.codec.tokenizer(list(text.train), add_special_tokens=False)["input_ids"]
    assert windows.stream.tolist() == [token for row in encoded for token in row]
    held_out = held_out_windows(text, backbone.codec, length=32, batch_size=4)
    encoded = backbone.codec.tokenizer(list(text.held_out), add_special_tokens=False)["input_ids"]
    assert held_out.stream.tolist() == [token for row in encoded for token in row]


def test_held_out_windows_are_no_longer_than_their_text(backbone: T5Backbone) -> None:
    """Catches a window that goes round a short text and can be copied from itself."""
    text = _text(train=("Ann is in the garden.",), held_out=("Ann is in the park.",))
    held_out = held_out_windows(text, backbone.codec, length=128, batch_size=2)
    assert held_out.length == len(held_out.stream) == 6


def test_too_little_text_for_a_window_is_refused(backbone: T5Backbone) -> None:
    """Catches a division by the zero windows of a text."""
    text = _text(train=("Ann is in the garden.",), held_out=("Ann",))
    with pytest.raises(
        ValueError, match=r"^text: 't' has 6 tokens to train on, less than a window"
    ):
        train_windows(text, backbone.codec, length=128, batch_size=2, seed=0)
    with pytest.raises(ValueError, match=r"^text: 't' has less than 2 held-out tokens; give more"):
        held_out_windows(text, backbone.codec, length=128, batch_size=2)
