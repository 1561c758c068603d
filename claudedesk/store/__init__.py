"""The only folder that writes SQL: every function takes the transaction it works in."""
