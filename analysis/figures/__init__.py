"""The figures of the study, drawn from computed panels.

- `scale`: Figure 1, the scale curve. `ablations`: Figure 3 a to d.
- `lines`: what both are made of, one panel of lines over model sizes, and `notes` under it.
- `sheet`: panels side by side. `saving`: a figure on disk, with table and provenance.
"""
