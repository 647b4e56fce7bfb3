"""How a suite stands, seen from outside: read off its heartbeats, streams and files.

Changes nothing in what it looks at, so it may be asked at any time and by anybody who may look.
"""
