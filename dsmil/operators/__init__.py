"""The people who watch, and the programs that act for them: who they are, what they may do, how they prove it.

One file, operators.db, shared by the API processes and the command line. Secrets are in it as digests alone, and
never on a stream, in the audit log or in a log line: acts are, keys are not.
"""
