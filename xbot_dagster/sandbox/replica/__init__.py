"""The replica of X: pages, its JSON API and the browser code they load."""
