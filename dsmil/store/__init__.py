"""SQLite: the hot database in memory, the audit segments on disk, the loss ledger beside them."""
