"""Text to ids and back, for encoder-decoders and for decoder-only models."""

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from runners.model.checkpoint import LADDER
from runners.model.codec import Codec

WORDS = ("True", "not", "entailment", "Anna", "saw", "it", ".")


@pytest.fixture(scope="module")
def spoken() -> PreTrainedTokenizerBase:
    """Pieces with their space before them, as GPT-2's, without padding or anything around."""
    pieces = ["<eos>", *(f"Ġ{word}" for word in WORDS), *WORDS]
    inner = Tokenizer(models.WordLevel({p: i for i, p in enumerate(pieces)}, unk_token="<eos>"))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "merged_with_next"), pre_tokenizers.ByteLevel(False, False)]
    )  # type: ignore[assignment]
    inner.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>")


@pytest.fixture(scope="module")
def t5() -> Codec:
    """The shipped tokenizer, as T5 uses it."""
    return Codec(tokenizer=AutoTokenizer.from_pretrained(LADDER / "tokenizer"), continues=False)


def test_an_encoder_decoder_ends_both_sides(t5: Codec) -> None:
    """Catches an end-of-sequence that is missing, or there twice."""
    (inputs,), (targets,) = t5.inputs(["Anna saw it."]), t5.targets(["True"])
    assert inputs.count(t5.end_id) == targets.count(t5.end_id) == 1
    assert inputs[-1] == targets[-1] == t5.end_id
    assert t5.tokenizer("True")["input_ids"] == targets


def test_a_decoder_only_model_goes_on_with_a_space(spoken: PreTrainedTokenizerBase) -> None:
    """Catches 'it.True', and an input that ends before its answer begins."""
    codec = Codec(tokenizer=spoken, continues=True)
    (inputs,), (targets,) = codec.inputs(["Anna saw it"]), codec.targets(["True"])
    assert codec.end_id not in inputs
    assert targets == [spoken.convert_tokens_to_ids("ĠTrue"), codec.end_id]
    assert codec.words(["True"]) == [targets[:1]]
    assert spoken.decode([*inputs, *targets[:-1]]) == "Anna saw it True"
    assert codec.decode([targets]) == ["True"]


def test_a_space_that_the_tokenizer_puts_itself_is_not_put_twice() -> None:
    """Catches a lone space as the first piece of every answer, and in the mean of every label."""
    pieces = {piece: place for place, piece in enumerate(["<eos>", *"▁abTrue", "▁a", "▁b", "▁T"])}
    merges = [("▁", "a"), ("▁", "b"), ("▁", "T")]
    inner = Tokenizer(models.BPE(pieces, merges))
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )  # type: ignore[assignment]
    inner.decoder = decoders.Metaspace()  # type: ignore[assignment]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>")
    codec = Codec(tokenizer=tokenizer, continues=True)
    (said,) = codec.words(["True"])
    assert tokenizer.convert_ids_to_tokens(said) == ["▁T", "r", "u", "e"]
    (whole,) = codec.inputs(["a True"])
    assert whole == [*codec.inputs(["a"])[0], *said]
    assert codec.decode([said]) == ["True"]


def test_an_end_that_the_tokenizer_adds_is_taken_off(t5: Codec) -> None:
    """Catches a decoder-only model that is asked to go on after its text has ended."""
    codec = Codec(tokenizer=t5.tokenizer, continues=True)
    (open_,), (ended,) = codec.inputs(["Anna saw it."]), t5.inputs(["Anna saw it."])
    assert [*open_, codec.end_id] == ended


def test_padding_is_lent_by_the_end_where_there_is_none(
    spoken: PreTrainedTokenizerBase, t5: Codec
) -> None:
    """Catches None in a batch of ids."""
    codec = Codec(tokenizer=spoken, continues=True)
    assert codec.pad_id == codec.end_id == 0
    assert t5.pad_id == t5.tokenizer.pad_token_id != t5.end_id


def test_an_answer_keeps_what_is_no_padding(t5: Codec) -> None:
    """Catches a sentinel that vanishes from the answer of a model that should give none."""
    (ids,) = t5.targets(["<extra_id_0> True"])
    assert t5.decode([[*ids, t5.pad_id, t5.pad_id]]) == ["<extra_id_0> True"]
    assert t5.decode([[t5.end_id]]) == [""]


def test_no_text_is_no_rows(t5: Codec) -> None:
    """Catches a tokenizer asked about nothing, which some refuse."""
    empty: list[Any] = []
    assert t5.words([]) == empty


def test_ordinary_pieces_are_in_order_and_no_sentinels(t5: Codec) -> None:
    """Catches a prompt that starts from padding, or from what stands for masked spans."""
    pieces = t5.ordinary_pieces
    assert pieces == sorted(pieces)
    assert len(pieces) == len(t5.tokenizer) - len(t5.tokenizer.all_special_ids)
    assert not {t5.pad_id, t5.end_id} & set(pieces)
    assert not any("extra_id" in str(t5.tokenizer.convert_ids_to_tokens(p)) for p in pieces)
