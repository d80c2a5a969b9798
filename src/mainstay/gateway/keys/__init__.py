"""Keys of writes that may come more than once, and the answers that the first ones got: kept on disk, shared by all workers."""
