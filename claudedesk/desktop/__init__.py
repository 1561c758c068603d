"""The program around the web app: its server, its window or browser, and the one instance that runs."""
