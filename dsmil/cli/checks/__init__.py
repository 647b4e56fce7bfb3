"""What `dsmil doctor` looks at: one subject a module, each a function that yields findings with their mends."""
