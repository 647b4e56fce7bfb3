"""Layer 8: one worker a device, each a pure function from a SOC event to a finding; `merge` runs them all."""
