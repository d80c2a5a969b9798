"""WHAT HAPPENED? The ledger: facts, counts and states of a system, kept through restarts, upgrades and crashes."""
