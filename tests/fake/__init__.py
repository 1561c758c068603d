"""The rooms of the fake Messages API; `fakeapi.py` is its front door."""
