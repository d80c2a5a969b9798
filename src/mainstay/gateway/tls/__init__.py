"""TLS on both sides: terms, certificates, and what stands between OpenSSL and the sockets."""
