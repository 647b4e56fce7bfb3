"""The HTTP face: reads from the hypergraph in this process, writes through the streams, one error shape.

The only async package. Any number of these processes may run beside each other: what one has written, the others
read off the stream. One file a subject holds its routes; `roles` says who may ask for what.
"""
