"""The gateway's own description of its API: `/openapi.json`, and `/docs`, a page to read."""
