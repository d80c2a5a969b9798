"""What the load generator of the drills can hold: so many requests a second, each sent when it was due."""
