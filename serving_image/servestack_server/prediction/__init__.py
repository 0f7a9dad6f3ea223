"""From rows to outputs: queues and calls of the models, and graphs of them. Knows nothing of HTTP."""
