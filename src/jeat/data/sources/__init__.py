"""One reader of data sets a file."""
