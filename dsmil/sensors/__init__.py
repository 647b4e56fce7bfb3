"""The ugly outside in, events out: one source format per file, parsers pure, transports thin."""
