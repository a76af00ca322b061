"""The pages, and the plan of the house that one of them shows."""
