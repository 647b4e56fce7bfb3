"""The hypergraph: what is known of ships, radios, hosts and people, now and at any kept moment."""
