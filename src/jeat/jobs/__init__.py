"""What a command does, as a value that knows its command line: draw images, measure a net.

``sample`` is the function behind the first. This file imports nothing.
"""
