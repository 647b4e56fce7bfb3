"""Layer 3: one detector per file; each decides from one kind of source."""
