"""The Layer 8 workers, devices 51 and 53 to 58: each adds flags and may only raise severity."""
