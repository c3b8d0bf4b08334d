"""The shared trainer: trials of one frozen model side by side in one batch.

- `session`: from a queue of configs to records in the store
- `pack`: the batch that live trials share; `trial` is one of them
- `method`: what sets prompt tuning and model tuning apart
- `adafactor`: the optimizer, as T5X runs it
- `adaptation`: LM adaptation, from a pre-trained model to its milestones
- `language_model`: self-supervised steps, for pre-training and LM adaptation
- `pretrainer`: pre-training, its schedule, states and log; `world_pretraining`
  is that of the nano ladder, `text_pretraining` of a user's own on own text
- `provenance`: fingerprints and versions that every record keeps
"""
