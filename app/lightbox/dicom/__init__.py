"""Floor 2: what DICOM attributes mean. One module per DICOM concept; no pixels, no files, no screen."""
