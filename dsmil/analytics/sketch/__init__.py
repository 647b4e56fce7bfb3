"""What Layers 3 and 4 say of the graph: observations and decisions as patches, coalesced per entity and batch."""
