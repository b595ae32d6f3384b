//! A node and its mesh: what its options say to it, the relay that it serves there, and the zones
//! that it is believed to be in. Must not know: what travels over the mesh. Tested beside each part.

mod options;
mod relays;
mod zones;

pub(super) use options::options;
pub(super) use relays::ServedRelay;
