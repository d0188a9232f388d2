"""Judges of the learning rooms: each module measures the classes the product runs, against public references."""
