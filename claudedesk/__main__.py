"""`python -m claudedesk`: the same as the command `claudedesk`."""

from claudedesk.cli import main

if __name__ == "__main__":
    main()
