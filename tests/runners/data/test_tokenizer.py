"""Tokenizers: T5's special tokens, whole words, labels that come back, and any user's text."""

import itertools
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase, T5Tokenizer

from runners.data.span_corruption import SENTINELS
from runners.data.tokenizer import first_sentinel, save_tokenizer, train_tokenizer
from runners.microworld import lexicon
from runners.microworld.documents import sample_documents
from runners.model.checkpoint import LADDER
from runners.tasks.superglue import TASKS

LABELS = sorted({label for task in TASKS.values() for label in task.labels or ()})


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Documents enough for a tokenizer of its own."""
    return [document.text for document in itertools.islice(sample_documents(3), 1500)]


@pytest.fixture(scope="module")
def trained(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    """A tokenizer that was trained, saved and loaded again."""
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(texts, pieces=600), folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def shipped() -> PreTrainedTokenizerBase:
    """The tokenizer of the shipped checkpoints."""
    return AutoTokenizer.from_pretrained(LADDER / "tokenizer")


@pytest.fixture(params=["trained", "shipped"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    """Either of the two."""
    return request.getfixturevalue(request.param)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text)["input_ids"])


def test_special_tokens_are_where_t5_has_them(tokenizer: PreTrainedTokenizerBase) -> None:
    """Catches sentinels in another order, which `corrupt` counts downwards from the last id."""
    assert tokenizer.convert_tokens_to_ids(["<pad>", "</s>", "<unk>"]) == [0, 1, 2]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1)
    size = len(tokenizer)
    assert size == 600 + SENTINELS
    sentinels = [f"<extra_id_{number}>" for number in range(SENTINELS)]
    assert tokenizer.convert_tokens_to_ids(sentinels) == [size - 1 - n for n in range(SENTINELS)]


def test_a_sentinel_in_a_text_is_one_token(tokenizer: PreTrainedTokenizerBase) -> None:
    """Catches a sentinel that is spelled out, so that span corruption is not recognised."""
    first, *rest = _ids(tokenizer, "<extra_id_0> True")
    assert first == tokenizer.convert_tokens_to_ids("<extra_id_0>")
    assert rest == _ids(tokenizer, "True")


@pytest.mark.parametrize("label", LABELS)
def test_a_label_comes_back_from_its_tokens(tokenizer: PreTrainedTokenizerBase, label: str) -> None:
    """Catches a label with a space or a case of its own: every right answer would be invalid."""
    ids = _ids(tokenizer, label)
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == label


def test_an_input_ends_once(tokenizer: PreTrainedTokenizerBase) -> None:
    """Catches an end-of-sequence that is missing, doubled, or put where none was asked for."""
    ids = _ids(tokenizer, "Ann is in the garden.")
    assert ids.count(tokenizer.eos_token_id) == 1
    assert ids[-1] == tokenizer.eos_token_id
    bare = tokenizer("Ann is in the garden.", add_special_tokens=False)["input_ids"]
    assert bare == ids[:-1]


@pytest.mark.parametrize(
    "words", [lexicon.PEOPLE, lexicon.PLACES, lexicon.COLOURS, lexicon.DAYS, ("entailment", "True")]
)
def test_words_of_the_world_are_one_piece(
    tokenizer: PreTrainedTokenizerBase, words: tuple[str, ...]
) -> None:
    """Catches words cut into letters, which a nano model cannot put together."""
    text = " ".join(("the", *words))
    assert len(_ids(tokenizer, text)) == len(words) + 2


def test_every_text_comes_back(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> None:
    """Catches a character of the documents or of the tasks that the vocabulary lacks."""
    formats = ["question: (a) {b} [c] *d* @placeholder", "sentence1: x; y = 'z' \"q\" #1 100% ~"]
    for text in [*texts[:200], *formats]:
        ids = _ids(tokenizer, text)
        assert tokenizer.unk_token_id not in ids, text
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_likely_pieces_come_first(tokenizer: PreTrainedTokenizerBase) -> None:
    """Catches an order that is not SentencePiece's, on which the sampled-vocab start relies."""
    common, rare = tokenizer.convert_tokens_to_ids(["▁the", "~"])
    assert 3 <= common < 30
    assert rare > 500


def test_the_same_texts_give_the_same_vocabulary(
    texts: list[str], trained: PreTrainedTokenizerBase
) -> None:
    """Catches ids in the order of a hash table: the shipped weights could not be made again."""
    again = train_tokenizer(texts, pieces=600)
    assert again.get_vocab() == trained.get_vocab()


def test_frequent_characters_are_pieces_and_rare_ones_are_not(texts: list[str]) -> None:
    """Catches a vocabulary that is spent on a thousand signs which occur once, or lacks dashes."""
    written = [text.replace(" and ", " \u2014 ") for text in texts] + ["\u4e16\u754c", "caf\u00e9"]
    tokenizer = train_tokenizer(written, pieces=600)
    assert tokenizer.unk_token_id not in _ids(tokenizer, "Ann \u2014 Bob")
    assert tokenizer.unk_token_id in _ids(tokenizer, "\u4e16")
    # Printable ASCII always is: it is what tasks are written in.
    assert tokenizer.unk_token_id not in _ids(tokenizer, "{~}")


def test_case_and_spelling_are_kept(texts: list[str], tmp_path: Path) -> None:
    """Catches a tokenizer that normalises in training what it leaves alone when it is loaded."""
    written = [text.replace("the", "\ufb01ne The") for text in texts]
    save_tokenizer(train_tokenizer(written, pieces=600), tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "\ufb01ne The fine the"
    assert loaded.decode(_ids(loaded, text), skip_special_tokens=True) == text


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (
            97,
            "pieces: 97 is too few for a text whose characters alone are 97 pieces; give 194 or",
        ),
        (5000, "pieces: 5000 is more than this text gives, which is "),
    ],
)
def test_a_vocabulary_that_a_text_cannot_fill(texts: list[str], pieces: int, message: str) -> None:
    """Catches an embedding with rows that no text ever reads, or a text of letters."""
    with pytest.raises(ValueError, match=f"^{message}"):
        train_tokenizer(texts, pieces=pieces)


def test_sentinels_are_found_or_missed(shipped: PreTrainedTokenizerBase) -> None:
    """Catches span corruption with a tokenizer that would spell its sentinels."""
    assert first_sentinel(shipped) == 699
    other = T5Tokenizer(extra_ids=7)
    with pytest.raises(ValueError, match="has not the sentinels <extra_id_0> to <extra_id_99>"):
        first_sentinel(other)
