"""Images: an interpreter booted once, frozen, described, and kept in the cache.

Also the harness's protocol: what a request says, and what may be believed of a reply.
"""
