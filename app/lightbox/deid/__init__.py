"""Floor 5: the de-identification engine: files in, clean files and a log out. It knows no library, network or Qt."""
