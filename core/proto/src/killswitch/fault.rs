//! Faults that are planted only to see them caught (`tests/model`). Each is off unless the cargo
//! feature of its name is on, which nothing but those tests turns on.

/// A reservation is checked, but holds nothing until it is committed.
pub(super) const CHECK_THEN_ACT: bool = cfg!(feature = "fault-check-then-act");
/// Spending is looked at only after it happened.
pub(super) const POST_PAID: bool = cfg!(feature = "fault-post-paid");
/// A grant that is recalled frees its money before its holder has spoken.
pub(super) const RECLAIM_ON_TIMEOUT: bool = cfg!(feature = "fault-reclaim-on-timeout");
/// The last word is said while something may still be spent.
pub(super) const SETTLE_BEFORE_CLOSE: bool = cfg!(feature = "fault-settle-before-close");
/// A repeated last word frees money a second time.
pub(super) const DUPLICATE_SETTLE: bool = cfg!(feature = "fault-duplicate-settle");
/// A repeated grant counts twice.
pub(super) const DUPLICATE_GRANT: bool = cfg!(feature = "fault-duplicate-grant");
/// A root that restarts forgets the grants that are open.
pub(super) const ROOT_FORGETS: bool = cfg!(feature = "fault-root-forgets");
/// A holder that restarts forgets its reservations.
pub(super) const HOLDER_FORGETS: bool = cfg!(feature = "fault-holder-forgets");
/// A call that fails over takes its grant to another node.
pub(super) const FAIL_OVER_SAME_GRANT: bool = cfg!(feature = "fault-fail-over-same-grant");
/// A lease runs from the time its message came.
pub(super) const LEASE_FROM_RECEIPT: bool = cfg!(feature = "fault-lease-from-receipt");
/// A holder under a strict budget takes the word of its issuer for that of the root.
pub(super) const ISSUER_FOR_ROOT: bool = cfg!(feature = "fault-issuer-for-root");
/// A holder under a strict budget takes a beacon that does not cover its question.
pub(super) const BEACON_UNCHECKED: bool = cfg!(feature = "fault-beacon-unchecked");
