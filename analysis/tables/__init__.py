"""The tables of the study; each takes computed panels and returns a frame or text.

- `gaps`: model tuning less prompt tuning at each size.
- `tasks`: every task at every size, with its chance level.
- `spreads`: how much each axis matters at each size.
- `claims`, `further_claims`: what the study says, as effects with intervals.
- `transfer`: Tables 1 and 2, what best points score on other tasks.
- `printed`: all that are printed, in Markdown and LaTeX.
- `terminal`: the scale curve and the tables of transfer in plain text.
"""
