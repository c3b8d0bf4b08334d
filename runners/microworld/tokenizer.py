"""The microworld's tokenizer: SentencePiece-style Unigram with T5's special tokens."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import T5Tokenizer

SENTINELS = 100
"""Sentinels of T5's vocabulary (Raffel et al. 2020, 3.1.4 and its code)."""
SPECIAL = ("<pad>", "</s>", "<unk>")
"""The first three ids, as in T5."""
ALPHABET = frozenset(chr(code) for code in range(ord("!"), ord("~") + 1))
"""Characters that are pieces whether the texts have them or not: printable ASCII."""
PENALTY = 1e-4
"""Distance of the log-likelihoods of characters that the texts lack (`UnigramTrainer`)."""


def train_tokenizer(texts: Iterable[str], *, pieces: int) -> T5Tokenizer:
    """A Unigram tokenizer of `pieces` pieces and 100 sentinels, `<extra_id_0>` last as in T5.

    The vocabulary is ordered as SentencePiece orders it: specials, then pieces by
    falling likelihood, which is what the sampled-vocab initialisation relies on.
    The same texts in the same order give the same vocabulary.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=pieces,
        special_tokens=list(SPECIAL),
        unk_token=SPECIAL[2],
        initial_alphabet=sorted(ALPHABET),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_with_inflections(texts), trainer)
    learned = json.loads(tokenizer.to_str())["model"]["vocab"][len(SPECIAL) :]
    specials = [(piece, 0.0) for piece in SPECIAL]
    sentinels = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(SENTINELS))]
    return T5Tokenizer(vocab=[*specials, *_settled(learned), *sentinels], extra_ids=SENTINELS)


def _settled(learned: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Pieces by falling log-likelihood, the same from run to run.

    The trainer walks through hash tables in any order: the last digits of a
    likelihood are chance, and so is the order of the characters that it never
    met, which it puts at the bottom, one `PENALTY` apart.
    """
    floor = min(score for _, score in learned)
    unmet = floor + PENALTY * len(ALPHABET)
    settled = [
        (piece, round(floor if piece in ALPHABET and score < unmet else score, 6))
        for piece, score in learned
    ]
    return sorted(settled, key=lambda row: (-row[1], row[0]))


def _with_inflections(texts: Iterable[str]) -> Iterator[str]:
    """The texts, then every word of them with two endings.

    The trainer takes its candidate pieces from substrings of two or more
    distinct words; a word that stands alone would be cut into letters.
    """
    words: set[str] = set()
    for text in texts:
        words.update(re.findall(r"\w+", text))
        yield text
    for word in sorted(words):
        yield f"{word}s {word}ed"


def save_tokenizer(tokenizer: T5Tokenizer, folder: Path) -> None:
    """Write the files that `AutoTokenizer.from_pretrained(folder)` reads."""
    tokenizer.save_pretrained(folder)
