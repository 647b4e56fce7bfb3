"""Decisions out of observations: Layer 3 looks at one source, Layer 4 joins them."""
