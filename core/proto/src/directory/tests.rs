//! Rules of records, look-ups, answers, watchers.
