"""The query language: grammar, tree, predicates over events and entities, errors with a position."""
