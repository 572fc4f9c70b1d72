"""Many slides: who does which, what is finished, what went wrong, on one machine or on many."""
