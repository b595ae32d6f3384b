//! Each check fires, and loses to the one before it.
