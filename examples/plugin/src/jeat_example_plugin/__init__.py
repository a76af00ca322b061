"""Parts for jeat: one a file, named in pyproject.toml."""
