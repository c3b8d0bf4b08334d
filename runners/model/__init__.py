"""The frozen model: its sizes, its arithmetic, and where it comes from.

- `sizes`: the ladders of models by name and shape; a leaf without torch.
- `backbone`: the interface that training and evaluation know, and T5 1.1 behind it.
- `t5`: T5 1.1 as a pure function of its weights.
- `dropout`: masks keyed by trial, step, place and row.
- `loading`: from a trial's config to the checkpoint that it starts from.
- `preview`: what config and tokenizer say of it before.
"""
