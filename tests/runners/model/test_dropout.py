"""Dropout keyed by trial, step, place and row."""

import torch

from runners.model.dropout import NONE, Dropout, row_keys

X = torch.ones(3, 6, 8)


def _keys(step: int = 4) -> torch.Tensor:
    return row_keys(0xABCDEF0123456789, step, 3)


def test_rate_zero_changes_nothing() -> None:
    """Catches dropout in evaluation."""
    assert NONE(X, "encoder.in") is X


def test_the_share_and_scale_are_right() -> None:
    """Catches a rate applied to what is kept, or a missing scale: the mean would drift."""
    keys = row_keys(7, 0, 200)
    dropped = Dropout(rate=0.1, keys=keys)(torch.ones(200, 20, 30), "encoder.in")
    assert abs(float((dropped == 0).float().mean()) - 0.1) < 0.005
    assert abs(float(dropped.mean()) - 1.0) < 0.01


def test_masks_do_not_depend_on_the_pack_or_on_padding() -> None:
    """Catches a mask that follows the place in the batch, so that a pack changes a result."""
    place = "encoder.block.0.layer.0"
    alone = Dropout(rate=0.3, keys=_keys()[1:2], prompt=2)(X[1:2], place)
    packed = Dropout(rate=0.3, keys=_keys(), prompt=2)(X, place)
    assert torch.equal(alone[0], packed[1])
    longer = Dropout(rate=0.3, keys=_keys(), prompt=5)(torch.ones(3, 9, 8), place)
    assert torch.equal(longer[:, 3:], packed)


def test_masks_differ_by_row_step_and_place() -> None:
    """Catches one mask used everywhere, which is no dropout at all."""
    here = Dropout(rate=0.3, keys=_keys())(X, "encoder.in")
    assert not torch.equal(here[0], here[1])
    assert not torch.equal(here, Dropout(rate=0.3, keys=_keys(5))(X, "encoder.in"))
    assert not torch.equal(here, Dropout(rate=0.3, keys=_keys())(X, "encoder.out"))


def test_attention_masks_do_not_depend_on_padding() -> None:
    """Catches attention dropout that moves when a longer prompt pads the pack."""
    place = "encoder.block.0.layer.0.SelfAttention"
    short = Dropout(rate=0.3, keys=_keys(), prompt=2).attention(torch.ones(3, 2, 6, 6), place)
    longer = Dropout(rate=0.3, keys=_keys(), prompt=4).attention(torch.ones(3, 2, 8, 8), place)
    assert torch.equal(short, longer[:, :, 2:, 2:])


def test_what_is_dropped_in_one_element_says_nothing_of_others() -> None:
    """Catches hashes that add up: the corners of a rectangle, or neighbours, dropped together."""
    ones = torch.ones(40, 4, 64, 64)
    keys = row_keys(7, 0, 40)
    signs = torch.sign(Dropout(rate=0.5, keys=keys).attention(ones, "encoder.a") - 0.5)
    other = torch.sign(Dropout(rate=0.5, keys=keys).attention(ones, "encoder.b") - 0.5)
    products = {
        "corners": signs[..., ::2, ::2] * signs[..., 1::2, ::2] * signs[..., ::2, 1::2]
        * signs[..., 1::2, 1::2],
        "queries": signs[..., 1:, :] * signs[..., :-1, :],
        "keys": signs[..., 1:] * signs[..., :-1],
        "transposed": (signs * signs.transpose(2, 3)).triu(1) * 2,
        "heads": signs[:, 1:] * signs[:, :-1],
        "rows": signs[1:] * signs[:-1],
        "places": signs * other,
    }  # fmt: skip
    for name, product in products.items():
        error = product.numel() ** -0.5
        assert abs(float(product.mean())) < 5 * error, name
    for axis in ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2)):
        means = signs.mean(dim=axis)
        assert float(means.abs().max()) < 5 * (signs.numel() / len(means)) ** -0.5


def test_trials_that_differ_in_any_bit_have_keys_of_their_own() -> None:
    """Catches a key that forgets half of a trial's id, or trials whose rows overlap."""
    trials = [1 << bit for bit in range(64)] + [0]
    keys = [key for trial in trials for key in row_keys(trial, 3, 300).tolist()]
    assert len(set(keys)) == len(keys)
