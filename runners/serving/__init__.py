"""One frozen model that answers every task it has a prompt for, in batches that mix them.

    python -m runners.serving            # serves what ships; --help says more

From the model outwards:

- `bank`: the prompts that a replica holds.
- `engine`: one batch of questions, each behind its own prompt, through the
  forward pass of training.
- `batching`: which waiting questions make a batch, and when.
- `replica`: the three together; `protocol` is what is asked of one.

From the user inwards:

- `sources`: stores, folders and files as `models`, and `frozen`, which model
  they belong to. `shipped/` has some.
- `asking`: from texts to questions; `limits` bounds what may be asked.
- `desk`: who is let in, and from answers to texts, scores and votes.
- `app`: HTTP, with `schema`, `responses`, `guard`, `metrics` and `page.html`; `upkeep`
  changes what is served, and `reading` reads the store for it.
- `deployment`: Ray Serve, which nothing else here knows; `cluster` has what its config
  files say, and `rayservice.yaml` is one for KubeRay.
- `checking`: whether answers are those recorded at evaluation.
"""
