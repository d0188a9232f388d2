"""The simulated fortnight: the shipped schedules, sensors and jobs on a simulated clock, against the sandbox's world."""
