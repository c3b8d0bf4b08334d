"""A sweep as one HTML page that stands by itself: no network, and readable without JavaScript.

- `chart`: a panel of lines as places in a drawing. `grid_map`: every trial, by cell and task.
- `details`: what a trial answered and how it got there, packed for the browser.
- `plots`: a chart that is no panel as places in a drawing.
- `pictures`: the figures and tables that `python -m analysis figures` has beside Figures 1 and 3.
- `sections`: the words, tables and numbers of the page.
- `build`: all of it through `page.html`, with `style.css` and `script.js` inside.
- `watch`: the page of a sweep that still runs.
"""
