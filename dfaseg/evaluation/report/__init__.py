"""What people get to see of an evaluation: one HTML page that opens offline, and tables."""
