"""Who else can do it? Instances, whether each is usable, and which one takes the next request.

Instances of one service stand in a `pool`; `health` says what checks know of each, `outlier` what traffic
knows, `balance` chooses among those that are usable, and `zone` spreads them so that one loss is not all.
"""
