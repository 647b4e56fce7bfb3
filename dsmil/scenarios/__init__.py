"""Seeded worlds that emit real formats with labels: the demo story, and worlds for tests."""
