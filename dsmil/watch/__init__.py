"""How a suite stands, seen from outside: read off its heartbeats, streams and files, and served as pages of text.

Changes nothing in what it looks at, so it may be asked at any time and by anybody who may look.
"""
