"""Speed and memory as ratios, measured side by side in one run: ``make bench``.

Each file has functions that yield :class:`Row`: a measured ratio beside its goal. ``__main__``
runs them, prints the table and writes ``results/bench.json``.
"""
