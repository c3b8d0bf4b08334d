"""The figures of the study, drawn from computed panels.

- `scale`: Figure 1, the scale curve. `ablations`: Figure 3 a to d.
- `lines`: what both are made of, one panel of lines over model sizes, and `notes` under it.
- `chart`: lines over any x, as data and as drawn; `charts`: Figure 4, robustness, runtime
  and training curves from their tables. `heat`: axes crossed, as data and as drawn.
- `layout`: size of axes, columns of a legend, ticks at sizes, for all of these.
- `sheet`: panels side by side. `saving`: a figure on disk, with table and provenance.
"""
