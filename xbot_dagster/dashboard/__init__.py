"""The team's pages: what will be posted, what happened, what it taught, and the controls. NiceGUI on the API's
application.

Pages read in a worker thread, render escaped HTML, and refresh it while they are open. Everything a page needs comes
from this process; no request leaves it.
"""
