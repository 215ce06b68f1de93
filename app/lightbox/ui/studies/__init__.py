"""Studies: find what is here and in the archives."""
