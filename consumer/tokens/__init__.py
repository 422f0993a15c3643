"""Counting tokens offline, for answers whose upstream reported no usage.

`encodings` loads what tiktoken needs from `ranks/`, `text` counts strings, `models` says which
encoding a model has, `prompts`, `tools` and `completions` know what of a call is counted, and how
exactly. What the upstream reported is `consumer.usage`'s to read.
"""
