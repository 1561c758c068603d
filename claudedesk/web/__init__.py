"""The web edge: who may come in, which headers go out, how errors read, and the road for our own commands."""
