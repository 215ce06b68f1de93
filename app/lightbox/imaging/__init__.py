"""Floor 3: numbers to pictures: decode frames, grey and colour chain, volume assembly, reslice, thumbnails."""
