"""One file per page; each has `mount(service)`, which registers it."""
