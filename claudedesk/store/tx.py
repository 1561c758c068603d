"""The transaction that every function of the store works in; its callers pass it on and look no further."""

from sqlalchemy import Connection

Tx = Connection
