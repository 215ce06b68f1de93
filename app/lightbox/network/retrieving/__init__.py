"""Retrieving: the methods, the choice between them, the count of what came, and the list of what is under way."""
