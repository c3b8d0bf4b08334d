"""A small embedded world of English-like text, and nano models that have read it.

The world, from words to texts; none of it knows tensors:

- `lexicon`: the words. `relations`: what can be said with them, in many ways.
- `passages`: a few facts about a few people.
- `exchanges`: what is asked and said of them. `documents`: unlabelled text for
  pre-training.
- `records`: the eight SuperGLUE tasks in SuperGLUE's own schema, and all tasks by name.
- `paraphrases`: GLUE's MRPC and QQP. `questions`: SQuAD's form, a domain to train on and six
  to be judged on.
- `skills`: what a model may know of it, as questions with two replies.

What was trained on it:

- `ladder/`: the tokenizer and one checkpoint a size, written by
  `runners.pretraining`.
"""
