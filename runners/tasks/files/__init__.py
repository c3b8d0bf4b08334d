"""Local copies of the benchmarks, in the layouts in which their publishers release them.

Readers return records, which `runners.tasks` turns into examples. What they
refuse they name by file and line.

- `folder`: the reader of each benchmark
- `superglue_folder`: `BoolQ/train.jsonl`, `BoolQ/val.jsonl`
- `glue_folder`: `SST-2/train.tsv`, `SST-2/dev.tsv`
- `squad_file`: SQuAD 1.1 and everything in its form, MRQA's files
- `lines`: JSON lines and tables of any origin
"""
