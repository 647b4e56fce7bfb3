"""How a daemon lives: its loop, signals, notifications, logs, metrics and heartbeat."""
