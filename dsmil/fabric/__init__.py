"""Redis Streams, and nobody else's business: who reads and writes what, the wire, the consumer, trimming."""
