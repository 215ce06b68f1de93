"""Floor 5: AI results and measurements read from SEG and SR into `Finding` objects; review; writing results."""
