"""One file per unit: build the parts, hand them to `runtime.daemon`. Started as `python -m dsmil.daemons.NAME`."""
