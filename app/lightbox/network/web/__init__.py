"""DICOMweb (PS3.18): search (QIDO-RS), retrieve (WADO-RS) and store (STOW-RS) with the peers that offer it.

Importing this package loads no network library.
"""
