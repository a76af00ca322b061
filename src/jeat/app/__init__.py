"""The app of ``jeat app``: a page in the browser, one view a file.

A view is a function of plain values, ``show(given, ...) -> iterator of HTML``: what the page shows
while it works, and at the end. ``command(given, ...)`` is the command line that does the same.
Both refuse bad settings by a ValueError, in one line. ``tab(given)`` puts them on the page, and is
all of a view that needs gradio. Nothing is fetched from elsewhere: pictures are inside the HTML.
"""
