"""The query language: grammar, tree, predicates over events and entities, errors with a position."""

from dsmil.query.clauses import Query
from dsmil.query.parse import parse_query
from dsmil.query.predicate import Predicate, compile_predicate

__all__ = ["Predicate", "Query", "compile_predicate", "parse_query"]
