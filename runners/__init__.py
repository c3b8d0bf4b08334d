"""What one trial does: data in, a frozen model, a prompt in training, a record out.

It knows nothing of the packages above it. Leaves, which load no tensors and
which any layer may read:

- `config`: `TrialConfig`, what defines a result, and its id. `rules`: what is
  legal, and the errors that say so.
- `record`: what a trial leaves behind. `store`: where records live; `storage`
  is what it is made of.

Things to run, each with its command in its docstring:

- `prompt_tuning`, `model_tuning`: one trial from the shell, both through `alone`.
- `prompts`: the best prompts of a store; prompts out of it and into it.
- `lm_adaptation`: from a span-corruption model to one that continues text.
- `pretraining`: a model from nothing, a nano one or your own. `skills`: what it has learned.

What they stand on:

- `model`: the frozen model behind one interface, its sizes and its dropout.
- `prompt`: soft prompts before the rows of a batch, where they start, and their files.
- `data`: rows of token ids. `tasks`: records as text to text, and scores.
- `training`: the shared trainer. `evaluation`: greedy answers of many trials.
- `microworld`: the embedded world, its tasks and the models trained on it.
"""
