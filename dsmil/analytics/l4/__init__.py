"""Layer 4: fusion across sources, with a score and the terms it is made of."""
