"""The eight SuperGLUE tasks as text: reading, answering, scoring.

One set of formats and metrics serves the publisher's files and any synthetic
data written in the same schema. Torch-free.

- `task`: `Example` and `Task`, the majority baseline, the sentinel of targets
- `superglue`: the eight tasks, in `TASKS`
- `wsc`: marking the pronoun, and matching a named referent
- `metrics`: accuracy, F1, exact match, in percent
- `voting`: the majority answer of several prompts, and the rule for ties
- `record_fields`: typed fields of a JSON record, with errors that name them
- `jsonl`: a local folder in the publisher's layout
"""
