//! What arrives from others: bad bytes, bad signatures, bad texts, and the vectors that pin the
//! good ones.

mod bounds;
mod frames;
mod json_form;
mod messages;
mod records;
mod signatures;
mod vectors;
