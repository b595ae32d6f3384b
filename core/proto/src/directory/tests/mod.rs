//! Rules of records, look-ups, bounds, answers, watchers.

mod agreement;
mod answers;
mod bounds;
mod lookups;
mod records;
mod support;
mod watchers;
mod zones;
