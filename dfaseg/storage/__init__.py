"""Where files lie that are not simply on a disk: object stores, and scratch disks of a job."""
