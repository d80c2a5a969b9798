"""How many failures and repairs are simulated in a second, beside SimPy, and whether what comes out is true."""
