"""Configuration: files, drop-ins and environment into frozen settings, each value with its origin."""
