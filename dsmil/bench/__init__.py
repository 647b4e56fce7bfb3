"""Measured figures beside the limit of the same run: `dsmil bench [TOPIC...]`."""
