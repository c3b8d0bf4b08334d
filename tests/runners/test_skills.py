"""The table of skills: what is asked, and how an answer is judged."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from runners.catalogue import Catalogue
from runners.config import AdaptationConfig
from runners.data import continuations
from runners.data.batching import Batch, Encoded, collate
from runners.microworld.skills import SKILLS, Item, sample_items
from runners.model import loading
from runners.model.codec import Codec
from runners.model.t5_backbone import T5Backbone
from runners.skills import main
from runners.store import Store
from runners.training import adaptation
from runners.training import skills as module
from runners.training.adaptation import adapt
from runners.training.skills import skill


@pytest.mark.parametrize("name", SKILLS)
def test_items_are_seeded_and_give_nothing_away(name: str) -> None:
    """Catches a skill that is measured on other questions each time, or answered unread."""
    items = sample_items(name, 0, 600)
    assert items == sample_items(name, 0, 600)
    assert items != sample_items(name, 1, 600)
    assert all(item.right != item.wrong for item in items)
    replies = {item.right for item in items}
    if len(replies) == 2:
        held = sum(item.right == max(replies) for item in items)
        assert 240 < held < 360, held


def test_the_likelier_reply_counts(backbone: T5Backbone) -> None:
    """Catches a share of wrong replies, or one that lengths decide."""
    items = sample_items("who did it", 0, 50)
    turned = [replace(item, right=item.wrong, wrong=item.right) for item in items]
    share = skill(backbone, items, masked=True)
    assert 0 < share < 1
    assert skill(backbone, turned, masked=True) == pytest.approx(1 - share)


def test_a_model_is_asked_as_it_was_trained(
    backbone: T5Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a mask that an adapted model has to make sense of, or none where one was learned."""
    asked: list[str] = []

    def note(rows: Sequence[Encoded], codec: Codec) -> Batch:
        asked.append(backbone.codec.tokenizer.decode(rows[0].input_ids))
        asked.append(backbone.codec.tokenizer.decode(rows[0].target_ids))
        return collate(rows, codec)

    monkeypatch.setattr(module, "collate", note)
    item = Item(text="Is Tom outdoors?", right="Yes.", wrong="No.")
    skill(backbone, [item], masked=True)
    assert asked[0].startswith("Is Tom outdoors?<extra_id_0>")
    assert asked[1].startswith("<extra_id_0> Yes.<extra_id_1>")
    skill(backbone, [item], masked=False)
    assert not any("extra_id" in text for text in asked[4:])
    assert asked[5].startswith("Yes.")


def test_the_door_shows_a_table(
    backbone: T5Backbone,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Catches a skill that is left out, or a column under another model's name."""
    monkeypatch.setattr(adaptation, "load_pretrained", lambda *_, **__: backbone)
    monkeypatch.setattr(loading, "load_pretrained", lambda *_, **__: backbone)
    monkeypatch.setattr(continuations, "DOCUMENTS", 50)
    config = AdaptationConfig(
        model_family="nano", model_size="60k", batch_size=2, learning_rate=0.003, seed=0,
        compute_dtype="float32",
    )  # fmt: skip
    list(adapt(config, [1], store, Catalogue()))
    assert main(["--size", "60k", "2m", "--items", "4"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[-2:] == ["60k", "2m"]
    assert [line[:36].strip() for line in table[1:]] == list(SKILLS)
    words = ["--items", "4", "--store", store.root, "--milestones"]
    assert main([*words, config.milestone_id(1)]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("60k-lm1")
    assert main([*words, "0123456789abcdef"]) == 2
    assert "is no milestone of the store" in capsys.readouterr().err
