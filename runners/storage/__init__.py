"""What `runners.store` is made of; a leaf package without torch and ray.

- `files`: what a store asks of the place it lives in; `open_files` picks one
- `local`, `remote`: a folder, and an fsspec URL
- `patience`: further tries where a place is slow, or away for a while
- `layout`: which path holds what, the names that are legal, the marker of a store
- `records`: reading records; a `Defect` is a file that is not what it should be
- `attempt`: one go at a trial, and the commit that decides which one counts
- `index`: a rebuildable cache of all records
- `states`: checkpoints of running trials
- `manifests`: what a sweep consists of
- `leases`: who may drive work on the store
- `verify`: reads everything and says what is wrong
"""
