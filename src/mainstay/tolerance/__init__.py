"""What if it goes wrong? Going on with the work while parts of it fail.

`call` takes one request from start to end and asks the others on the way: `deadline` how long there is,
`retry` what may be tried again, `budget` how often, `backoff` after how long, `breaker` at whom not.
"""
