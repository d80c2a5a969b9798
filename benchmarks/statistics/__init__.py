"""Whether intervals of 95 % contain the truth in 95 of 100 histories: made-up ones, whose truth is known."""
