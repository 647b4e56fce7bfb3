"""`dsmil bench`: what the suite reaches on this machine, beside the limit of Redis measured in the same run.

Everything runs on a private Redis in a temporary directory. Machines are noisy: only ratios of interleaved runs
and CPU seconds count, so every figure comes with its runs, its least and its greatest.
"""
