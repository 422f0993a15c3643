"""Signing in on a web page: through a login provider to a page with one's own keys.

What people are (`gateway.auth.identities`) and how keys are issued (`gateway.auth.keys`) is not
here; this feature only finds out who somebody is, and shows pages.
"""
