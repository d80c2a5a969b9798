"""The gateway against nginx, HAProxy, Envoy, Traefik and Caddy."""
