"""Messages of HTTP/1.1: read, judged, sent on, and answered."""
