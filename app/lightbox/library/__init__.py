"""Floor 4: the local cache: SQLite index, object store, ingest, search, quality checks, rebuild."""
