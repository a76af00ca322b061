"""Parts of a user's own, one file each, as CONTRIBUTING shows them."""
