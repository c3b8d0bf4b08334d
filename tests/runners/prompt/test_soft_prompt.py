"""Prompts of many lengths before the rows of one batch."""

import torch

from runners.model.t5_backbone import T5Backbone
from runners.prompt.soft_prompt import Prompted, stack


def test_each_row_gets_its_own_prompt_padded_on_the_left() -> None:
    """Catches padding between prompt and input, which would change relative positions."""
    one, three = torch.full((1, 2), 1.0), torch.full((3, 2), 3.0)
    bank = stack([one, three])
    embedded, mask = torch.full((2, 2, 2), 9.0), torch.tensor([[1, 1], [1, 0]])
    vectors, masks = Prompted(bank=bank, of_row=torch.tensor([0, 1])).before(embedded, mask)
    assert vectors[:, :, 0].tolist() == [[0, 0, 1, 9, 9], [3, 3, 3, 9, 9]]
    assert masks.tolist() == [[0, 0, 1, 1, 1], [1, 1, 1, 1, 0]]


def test_gradients_reach_only_the_prompt_of_the_row() -> None:
    """Catches rows that train a neighbour's prompt."""
    prompts = [torch.zeros(2, 3, requires_grad=True), torch.zeros(4, 3, requires_grad=True)]
    of_the_second = Prompted(bank=stack(prompts), of_row=torch.tensor([1]))
    vectors, _ = of_the_second.before(torch.zeros(1, 2, 3), torch.ones(1, 2, dtype=torch.long))
    vectors.sum().backward()
    first, second = (prompt.grad for prompt in prompts)
    assert not first.any()
    assert (second == 1).all()


def test_left_padding_is_exact_for_the_model(backbone: T5Backbone) -> None:
    """Catches a prompt position that is seen although it is padding."""
    prompt = torch.randn(3, backbone.width, generator=torch.Generator().manual_seed(0))
    ids = torch.arange(10, 22)[None]
    mask, targets = torch.ones_like(ids), torch.tensor([[7, 8]])
    embedded = backbone.embed(backbone.weights, ids)
    owner, longer = torch.tensor([0]), torch.zeros(9, backbone.width)
    losses = [
        backbone.losses(
            backbone.weights, embedded, mask, targets,
            prompts=Prompted(bank=stack(bank), of_row=owner),
        )
        for bank in ([prompt], [prompt, longer])
    ]  # fmt: skip
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-6)
