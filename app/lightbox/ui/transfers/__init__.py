"""Transfers: what comes in and why something did not."""
