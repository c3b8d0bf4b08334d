"""Tasks as text: reading, answering, scoring.

One set of formats and metrics serves the publisher's files and any synthetic
data written in the same schema. Torch-free.

- `task`: `Example` and `Task`, the majority baseline, the sentinel of targets
- `classification`: tasks whose answer is one of a few words
- `superglue`: the eight tasks, in `TASKS`
- `wsc`: marking the pronoun, and matching a named referent
- `glue`: SST-2, MRPC, QQP and RTE
- `question_answering`: SQuAD 1.1, MRQA's sets, and what has their form
- `benchmarks`: the published tasks by their benchmark
- `embedded`: the tasks of the embedded world
- `own`, `own_section`: a user's own tasks, and how a spec names them
- `prompt_design`: questions with an instruction and solved examples
- `metrics`: accuracy, F1, exact match, in percent
- `voting`: the majority answer of several prompts, and the rules for it
- `record_fields`: typed fields of a JSON record, with errors that name them
- `files`: local copies in their publishers' layouts
"""
