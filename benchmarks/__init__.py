"""Timings and memory, as a person runs them by hand; no test depends on one.

- `recipe`: steps of the paper's recipe at the shape of T5 1.1 small
- `report_page`: size of a sweep's page, and the time to write it
"""
