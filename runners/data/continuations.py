"""What LM adaptation reads: documents of the embedded world, or a folder of text.

The embedded world's documents are of the mix that pre-training read last, and
most are cut where an answer begins. Text is read as pre-training reads it, in
windows of documents laid end to end (`runners.data.windows`).
"""

from dataclasses import dataclass

from runners.catalogue import Catalogue, textless
from runners.config import AdaptationConfig
from runners.data.batching import Rows
from runners.data.corpus import PrefixRows, read_microworld
from runners.data.text import WINDOW, Text, read_text
from runners.data.windows import PrefixWindows, held_out_windows, train_windows
from runners.microworld.exchanges import CONVERSATION
from runners.model.codec import Codec
from runners.rules import ConfigError

DOCUMENTS = 20_000
"""Documents of an adaptation, which are not those of pre-training."""
DOCUMENT_SEED = 1_000
"""Adaptation seed s reads the document stream of seed 1,000 + s."""
SALIENT = 0.8
"""Share of documents that are cut where an answer begins, as in pre-training (`CorruptedRows`)."""
LONGEST = 16
"""Tokens of a continuation: long ones would pad the short answers, most rows, to theirs."""
HELD_OUT_SEED = 999
HELD_OUT_BATCHES = 4


@dataclass(frozen=True, kw_only=True)
class Continuations:
    """The rows that an adaptation trains on, and those that it is only asked."""

    train: Rows
    held_out: Rows
    """Its first `HELD_OUT_BATCHES` batches are asked."""


def text_of(config: AdaptationConfig, catalogue: Catalogue) -> Text | None:
    """The text that an adaptation reads; None is the embedded world.

    Raises ValueError where the model has not read the embedded world, where
    nobody has said in which folder the text is, and where that has changed.
    """
    problem = textless(config.model_family, config.text)
    if problem:
        raise ConfigError([problem])
    if config.text is None:
        return None
    if config.text not in catalogue.texts:
        raise ValueError(
            f"lm_adaptation_text: {config.text} is the fingerprint of no folder that is named "
            "here; name the folder, with --text or as settings.lm_adaptation.text of a spec"
        )
    text = read_text(catalogue.texts[config.text])
    if text.fingerprint != config.text:
        raise ValueError(
            f"text: '{text.folder}' had fingerprint {config.text} when it was first read, and "
            f"has {text.fingerprint} now; restore it, or start again"
        )
    return text


def read_continuations(config: AdaptationConfig, text: Text | None, codec: Codec) -> Continuations:
    """The rows of an adaptation to `text`, or to the embedded world where that is None.

    Raises ValueError where the text is too little.
    """
    if text is None:
        return Continuations(
            train=_world(
                codec, document_seed=DOCUMENT_SEED + config.seed, documents=DOCUMENTS,
                batch_size=config.batch_size, seed=config.seed,
            ),
            held_out=_world(
                codec, document_seed=HELD_OUT_SEED, documents=HELD_OUT_BATCHES * config.batch_size,
                batch_size=config.batch_size, seed=0,
            ),
        )  # fmt: skip
    size = config.batch_size
    train = train_windows(text, codec, length=WINDOW, batch_size=size, seed=config.seed)
    held_out = held_out_windows(text, codec, length=WINDOW, batch_size=size)
    return Continuations(
        train=PrefixWindows(windows=train, end_id=codec.end_id),
        held_out=PrefixWindows(windows=held_out, end_id=codec.end_id),
    )


def _world(
    codec: Codec, *, document_seed: int, documents: int, batch_size: int, seed: int
) -> PrefixRows:
    """The rows of so many documents of one stream, in the order of `seed`."""
    read = read_microworld(
        codec.tokenizer, seed=document_seed, documents=documents, mix=CONVERSATION
    )
    return PrefixRows(
        documents=read, batch_size=batch_size, seed=seed,
        end_id=codec.end_id, salient=SALIENT, longest=LONGEST,
    )  # fmt: skip
