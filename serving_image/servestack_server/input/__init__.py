"""From the bytes of a request to rows that a model may see."""
