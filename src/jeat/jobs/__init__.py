"""What a command does, as a value that knows its command line: draw images, measure a net.

This file imports nothing.
"""
