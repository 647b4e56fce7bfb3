"""The query language: grammar, tree, predicates over events and entities, errors with a position."""

from dsmil.query.predicate import Predicate, compile_predicate

__all__ = ["Predicate", "compile_predicate"]
