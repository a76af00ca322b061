"""Recipes: one published experiment a file, run by ``jeat reproduce FILE``.

Each has ``suite(*, ...) -> Suite``, whose keyword-only arguments are its flags: plans and protocol
as values. ``paper`` is how the paper's nets are compared, for recipes of other methods, too.
"""
