"""A labelled world of gateways, written as AWS would deliver it."""
