"""Rows of token ids: of a task, and of documents without labels.

- `batching`: rows as padded tensors, and the order in which steps see examples.
- `examples`: what a trial reads of a task, as text.
- `source`: the train and dev rows of a trial's task, and how answers are scored.
- `lengths`: the longest rows. `fitting`: whether models can read the rows of trials and answer
  them. `positions`: whether they have room for them.
- `corpus`: documents of the embedded world as rows of the two self-supervised
  objectives below.
- `text`: a folder of a user's text as documents. `windows`: these as rows.
- `english`: such a folder out of published data, for sweeps/specs/english.yaml.
- `tokenizer`: Unigram tokenizers with T5's special tokens.
- `continuations`: what LM adaptation reads, of either kind.
- `span_corruption`: masked spans in, their contents out.
- `prefix_lm`: a beginning in, its continuation out.
"""
