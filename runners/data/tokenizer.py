"""Unigram tokenizers in the manner of SentencePiece, with T5's special tokens."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, T5Tokenizer

from runners.data.span_corruption import SENTINELS

SPECIAL = ("<pad>", "</s>", "<unk>")
"""The first three ids, as in T5."""
ALPHABET = frozenset(chr(code) for code in range(ord("!"), ord("~") + 1))
"""Characters that are pieces whether the texts have them or not: printable ASCII."""
COVERAGE = 0.9995
"""Share of the characters of a text that are pieces (SentencePiece's `character_coverage`)."""
PENALTY = 1e-4
"""Distance of the log-likelihoods of characters that the texts lack (`UnigramTrainer`)."""


def train_tokenizer(texts: Iterable[str], *, pieces: int) -> T5Tokenizer:
    """A Unigram tokenizer of `pieces` pieces and 100 sentinels, `<extra_id_0>` last as in T5.

    The vocabulary is ordered as SentencePiece orders it: specials, then pieces by
    falling likelihood, which is what the sampled-vocab initialisation relies on.
    The same texts in the same order give the same vocabulary.

    Case is kept and nothing is normalised, since `T5Tokenizer` would not do it
    again. As in T5 there are no pieces for bytes: a character beyond `ALPHABET`
    and beyond `COVERAGE` is `<unk>`.

    Raises ValueError where the texts give fewer pieces, or need more for their
    characters alone.
    """
    texts = list(texts)
    alphabet = ALPHABET | _frequent_characters(texts)
    _refuse_few(pieces, alphabet)
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=pieces,
        special_tokens=list(SPECIAL),
        unk_token=SPECIAL[2],
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    known = _without_others(texts, alphabet)
    tokenizer.train_from_iterator(_with_inflections(known, words=pieces), trainer)
    learned = json.loads(tokenizer.to_str())["model"]["vocab"][len(SPECIAL) :]
    _refuse_many(pieces, len(learned) + len(SPECIAL))
    specials = [(piece, 0.0) for piece in SPECIAL]
    sentinels = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(SENTINELS))]
    vocabulary = [*specials, *_settled(learned, alphabet), *sentinels]
    return T5Tokenizer(vocab=vocabulary, extra_ids=SENTINELS)


def _frequent_characters(texts: Iterable[str]) -> frozenset[str]:
    """The most frequent characters, white space apart, that make up `COVERAGE` of the texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    written = Counter({char: count for char, count in counts.items() if not char.isspace()})
    wanted, seen, chosen = COVERAGE * written.total(), 0, set()
    for char, count in written.most_common():
        if seen >= wanted:
            break
        seen += count
        chosen.add(char)
    return frozenset(chosen)


def _without_others(texts: Sequence[str], alphabet: frozenset[str]) -> Iterator[str]:
    """The texts with a space for each character that is not to be a piece."""
    others = {ord(char) for text in texts for char in set(text)} - {ord(char) for char in alphabet}
    blanks = dict.fromkeys(others, " ")
    return (text.translate(blanks) for text in texts)


def _refuse_few(pieces: int, alphabet: frozenset[str]) -> None:
    needed = len(alphabet) + len(SPECIAL)
    if pieces <= needed:
        raise ValueError(
            f"pieces: {pieces} is too few for a text whose characters alone are {needed} pieces; "
            f"give {2 * needed} or more"
        )


def _refuse_many(pieces: int, found: int) -> None:
    if found != pieces:
        raise ValueError(
            f"pieces: {pieces} is more than this text gives, which is {found}; "
            f"give {found} or less, or more text"
        )


def _settled(
    learned: Sequence[tuple[str, float]], alphabet: frozenset[str]
) -> list[tuple[str, float]]:
    """Pieces by falling log-likelihood, the same from run to run.

    The trainer walks through hash tables in any order: the last digits of a
    likelihood are chance, and so is the order of the characters that it found
    no use for, which it puts at the bottom, one `PENALTY` apart.
    """
    floor = min(score for _, score in learned)
    unmet = floor + PENALTY * len(alphabet)
    settled = [
        (piece, round(floor if piece in alphabet and score < unmet else score, 6))
        for piece, score in learned
    ]
    return sorted(settled, key=lambda row: (-row[1], row[0]))


def _with_inflections(texts: Iterable[str], *, words: int) -> Iterator[str]:
    """The texts, then the most frequent of their words with two endings.

    The trainer takes its candidate pieces from substrings of two or more
    distinct words; a word that stands alone would be cut into letters. More
    words than there are pieces cannot become one, and would drown the text.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(re.findall(r"\w+", text))
        yield text
    for word, _ in sorted(counts.most_common(words)):
        yield f"{word}s {word}ed"


def first_sentinel(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of `<extra_id_0>`, from which the other sentinels count down.

    Raises ValueError where the tokenizer has not all of them in that order.
    """
    vocabulary = tokenizer.get_vocab()
    first = vocabulary.get("<extra_id_0>", 0)
    ids = [vocabulary.get(f"<extra_id_{i}>") for i in range(SENTINELS)]
    if ids != list(range(first, first - SENTINELS, -1)):
        raise ValueError(
            f"tokenizer {tokenizer.name_or_path}: has not the sentinels <extra_id_0> to "
            f"<extra_id_{SENTINELS - 1}> with ids that count down; give one of T5's kind"
        )
    return first


def save_tokenizer(tokenizer: T5Tokenizer, folder: Path) -> None:
    """Write the files that `AutoTokenizer.from_pretrained(folder)` reads."""
    tokenizer.save_pretrained(folder)
