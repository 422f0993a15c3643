"""Adapters of `consumer.source.Source`: one file per way that messages arrive."""
