"""Which of the questions that wait make the next batch."""

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from runners.serving.batching import split
from runners.serving.engine import Asked
from runners.serving.queue import PASS, Queue

_shape = st.tuples(st.sampled_from((1, 2, 5, 11, 20)), st.integers(1, 80), st.integers(0, 3))


def _padded(batch: Sequence[Asked]) -> int:
    return _computed(batch, targets=max(each.targets for each in batch))


def _computed(batch: Sequence[Asked], *, targets: int | None = None) -> int:
    """Padded positions; of targets those of choices, since a written answer may end at once."""
    if targets is None:
        targets = max(each.targets if each.chooses else 0 for each in batch)
    longest = max(each.positions for each in batch) + max(each.tokens for each in batch)
    return sum(each.copies for each in batch) * (longest + targets)


def _first(waiting: Sequence[Asked], tokens: int) -> list[int]:
    """Places of the questions of the first batch, where these wait."""
    return _queue(waiting).take(tokens)


def _queue(waiting: Sequence[Asked]) -> Queue:
    queue = Queue()
    assert [queue.add(each) for each in waiting] == [*range(len(waiting))]
    return queue


@settings(max_examples=200, deadline=None)
@given(st.lists(_shape, min_size=1, max_size=30), st.integers(1, 600))
def test_a_batch_has_the_oldest_and_stays_within_its_tokens(
    make_asked: Callable[..., Asked], shapes: list[tuple[int, int, int]], tokens: int
) -> None:
    """Catches a question that starves, a batch of two kinds, and a bound that forgets padding,

    labels, or that one question alone may be many rows.
    """
    waiting = [part for p, t, c in shapes for part in split(make_asked(p, t, choices=c), tokens)]
    places = _first(waiting, tokens)
    batch = [waiting[place] for place in places]
    assert places[0] == 0
    assert places == sorted(set(places))
    assert len({each.chooses for each in batch}) == 1
    assert sum(each.copies for each in batch) == 1 or _padded(batch) <= tokens


def _filled(waiting: Sequence[Asked], tokens: int) -> list[int]:
    """Places of as many as fit with the oldest: those that add no padding first."""
    chosen = [0]
    like = [i for i in range(1, len(waiting)) if waiting[i].chooses == waiting[0].chooses]
    own, widths = _width(waiting[0]), {i: _width(waiting[i]) for i in like}
    within = sorted((i for i in like if widths[i] <= own), key=lambda i: -widths[i])
    beyond = sorted((i for i in like if widths[i] > own), key=lambda i: widths[i])
    for place in (*within, *beyond):
        if _padded([waiting[i] for i in (*chosen, place)]) <= tokens:
            chosen.append(place)
    return chosen


def _width(asked: Asked) -> int:
    return _computed([asked]) // asked.copies


@settings(max_examples=200, deadline=None)
@given(st.lists(_shape, min_size=1, max_size=40), st.integers(1, 6000))
def test_nobody_is_left_behind_but_where_that_is_cheaper(
    make_asked: Callable[..., Asked], shapes: list[tuple[int, int, int]], tokens: int
) -> None:
    """Catches small batches for want of courage, and padding that costs more than a batch more."""
    waiting = [make_asked(p, t, choices=c) for p, t, c in shapes]
    places = _first(waiting, tokens)
    all_that_fit = _filled(waiting, tokens)
    assert set(places) <= set(all_that_fit)
    left = sorted(set(all_that_fit) - set(places), key=lambda i: _width(waiting[i]))
    own = _width(waiting[0])
    shorter = [waiting[i] for i in left if _width(waiting[i]) <= own]
    longer = [waiting[i] for i in left if _width(waiting[i]) > own]
    apart = sum(PASS + _computed(each) for each in (shorter, longer) if each)
    together = _computed([waiting[i] for i in all_that_fit])
    assert _computed([waiting[i] for i in places]) + apart <= together


def test_lengths_far_apart_are_answered_apart_and_near_ones_together(
    make_asked: Callable[..., Asked],
) -> None:
    """Catches short questions that pay for a long one, and one batch for each length."""
    waiting = [make_asked(5, tokens) for tokens in (10, 80, 12, 11, 80, 9) * 5]
    first = _first(waiting, 10_000)
    assert [n for n in range(30) if n % 6 not in (1, 4)] == first
    rest = [each for place, each in enumerate(waiting) if place not in first]
    assert _first(rest, 10_000) == list(range(10))
    assert _first(waiting[:5], 10_000) == list(range(5))
    longest_first = [make_asked(5, 80), *(make_asked(5, 10, seed=n) for n in range(20))]
    assert _first(longest_first, 10_000) == [0]


def test_those_that_add_no_padding_go_first(make_asked: Callable[..., Asked]) -> None:
    """Catches a batch of short questions that one long one blows up."""
    waiting = [make_asked(5, tokens) for tokens in (10, 80, 9, 12, 80, 10)]
    assert _first(waiting, 4 * (17 + 6)) == [0, 2, 3, 5]
    assert _first(waiting, 3 * (15 + 6)) == [0, 2, 5]


@settings(max_examples=100, deadline=None)
@given(st.lists(_shape, min_size=1, max_size=40), st.sets(st.integers(0, 39)), st.integers(1, 3000))
def test_every_question_is_taken_once_and_those_who_left_are_not(
    make_asked: Callable[..., Asked],
    shapes: list[tuple[int, int, int]],
    gone: set[int],
    tokens: int,
) -> None:
    """Catches a queue that loses or doubles somebody as it is taken from, added to and left."""
    asked = [make_asked(p, t, choices=c) for p, t, c in shapes]
    half = len(asked) // 2
    queue, taken = _queue(asked[:half]), list[int]()
    for place in gone:
        queue.discard(place)
    for place, each in enumerate(asked[half:], half):
        assert queue.add(each) == place
        if place % 3 == 0:
            taken += queue.take(tokens)
    while queue:
        left = len(queue)
        oldest, batch = queue.oldest, queue.take(tokens)
        assert oldest == min(batch)
        assert len(queue) == left - len(batch)
        taken += batch
    assert sorted(taken) == [
        place for place in range(len(asked)) if place >= half or place not in gone
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(_shape, min_size=1, max_size=20), st.integers(1, 1500))
def test_a_queue_is_full_where_one_more_like_the_oldest_might_not_fit(
    make_asked: Callable[..., Asked], shapes: list[tuple[int, int, int]], tokens: int
) -> None:
    """Catches a model that waits although its batch is full, or goes although it is not."""
    waiting = [make_asked(p, t, choices=c) for p, t, c in shapes]
    alike = [i for i, each in enumerate(waiting) if each.chooses == waiting[0].chooses]
    together = [waiting[i] for i in alike]
    has_room = _padded([*together, waiting[0]]) <= tokens
    assert _queue(waiting).is_full(tokens) == (not has_room)


def test_of_equals_those_who_came_first_go_first(make_asked: Callable[..., Asked]) -> None:
    """Catches a queue that lets the last in before the others, so that these wait for ever."""
    queue = _queue([make_asked(5, 10, seed=seed) for seed in range(7)])
    tokens = 3 * (15 + 6)
    assert [queue.take(tokens) for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6]]
