"""A synthetic chest CT with a prior, an AI segmentation and an AI report, drawn and written by code."""

from .make import make

__all__ = ["make"]
