"""Device 52: joins decisions into SOC events, escalates, suppresses; Layer 8 enriches, Layer 9 is advised."""
