"""The names of what an object of ours consists of, interpreted or compiled."""


def slots(kind):
    """Give the names of the attributes of a class, without those that it inherits; the compiled build keeps them elsewhere."""
    return kind.__dict__.get("__slots__") or kind.__dict__.get("__mypyc_attrs__", ())
