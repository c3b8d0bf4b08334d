"""The microworld's tokenizer: SentencePiece-style Unigram with T5's special tokens."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import T5Tokenizer

SENTINELS = 100
SPECIAL = ("<pad>", "</s>", "<unk>")


def train_tokenizer(texts: Iterable[str], *, pieces: int) -> T5Tokenizer:
    """A Unigram tokenizer of `pieces` pieces and 100 sentinels, `<extra_id_0>` last as in T5.

    The vocabulary is ordered as SentencePiece orders it: specials, then pieces by
    falling likelihood, which is what the sampled-vocab initialisation relies on.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.Metaspace()
    alphabet = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    trainer = trainers.UnigramTrainer(
        vocab_size=pieces,
        special_tokens=list(SPECIAL),
        unk_token="<unk>",
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_with_inflections(texts), trainer)
    learned = tokenizer.get_vocab_size()
    scores = [(tokenizer.id_to_token(i), 0.0) for i in range(len(SPECIAL))]
    vocab = json.loads(tokenizer.to_str())["model"]["vocab"]
    ordered = sorted(vocab[len(SPECIAL) : learned], key=lambda row: -row[1])
    scores += [(piece, score) for piece, score in ordered]
    sentinels = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(SENTINELS))]
    return T5Tokenizer(vocab=scores + sentinels, extra_ids=SENTINELS)


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
