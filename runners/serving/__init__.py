"""One frozen model that answers every task it has a prompt for, in batches that mix them.

From the model outwards:

- `bank`: the prompts that a replica holds.
- `engine`: one batch of questions, each behind its own prompt, through the
  forward pass of training.
- `batching`: which waiting questions make a batch, and when.
"""
