"""A job in many parts: done here, or by Ray on many machines. May import ground."""
