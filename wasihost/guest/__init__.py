"""Python that runs inside the guest. The host ships these files as text and never imports them."""
