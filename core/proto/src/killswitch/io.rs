//! What goes into a ledger and what comes out of it.

use super::row::Write;
use super::{
    Allowance, Amount, Beacon, Budget, BudgetId, CallId, Claim, Frame, Grant, GrantId, Message,
    Reading, ReservationId, Round, Statement, Trip,
};
use crate::error::Error;
use crate::identity::{AgentId, NodeKey};
use crate::wire::record::Digest;
use crate::wire::words::{RefundPolicy, Spends, TripReason};
use bytes::Bytes;

/// A grant that somebody on this node wants to cut.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// Random, never used before.
    pub id: GrantId,
    /// Node that hosts the callee; the own one for a call inside this node.
    pub audience: NodeKey,
    /// Agent that is called.
    pub agent: AgentId,
    /// The call.
    pub call_id: CallId,
    /// Its attempt; another attempt takes another grant.
    pub attempt: u32,
    /// Most that the caller allows for it.
    pub max: Allowance,
    /// Most that the skill says it costs (`cost_hint.max`).
    pub hint: Allowance,
    /// What the skill says of itself.
    pub spends: Spends,
    /// How much of what is free it may be.
    pub share: Share,
    /// What comes back of it.
    pub refund: RefundPolicy,
    /// End in Unix milliseconds of a grant that lives without its issuer.
    pub detached_until_ms: Option<u64>,
}

/// How much of what is free a grant may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// A quarter, so that other calls find something.
    Quarter,
    /// All of it: what pays is there for this call alone.
    Whole,
}

/// How a call ended, for the grant that it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The handler ran: if it never reserved anything, the whole grant is charged.
    Ran,
    /// It never ran, or its requirements say that it spends nothing.
    Free,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// A switch was made on this node.
    Open(Budget),
    /// A call is about to be sent.
    Cut {
        /// Grant, or account of a budget, that pays for it.
        from: GrantId,
        /// What is wanted.
        order: Order,
    },
    /// A handler is about to spend.
    Reserve {
        /// The grant of its call.
        grant: GrantId,
        /// Random, never used before.
        id: ReservationId,
        /// Most that it will be.
        most: Amount,
    },
    /// It was spent.
    Commit {
        /// The grant of its call.
        grant: GrantId,
        /// The reservation.
        id: ReservationId,
        /// What it was; none: nobody knows, so all of it.
        used: Option<Amount>,
        /// Receipt of the gateway, as it was signed: chained where the grant wants receipts.
        receipt: Option<Bytes>,
    },
    /// A gateway said what the key that came with a grant cost.
    Receipt {
        /// The grant, which is held here.
        grant: GrantId,
        /// As it was signed.
        receipt: Bytes,
    },
    /// A key of a gateway goes with a grant that was cut here, and with no other.
    Keyed {
        /// The grant.
        grant: GrantId,
        /// The key; the first one stands.
        frame: Frame,
    },
    /// The handler of a call is about to run: from now on, if it reports nothing, all of its grant
    /// is charged. Said before it runs, which it may not where the grant is stopped by then.
    Begin {
        /// The grant of its call, which is held here.
        grant: GrantId,
    },
    /// The call of a grant that is held here is made by way of a foreign program, which may come
    /// back with a code.
    Offer {
        /// The grant.
        grant: GrantId,
        /// SHA-256 of the secret of the code, which was never used before.
        digest: Digest,
        /// Its end, in Unix milliseconds; `REDEEM_LIFE` at most.
        until_ms: u64,
    },
    /// Somebody shows a code of a grant that is held here.
    Redeem {
        /// Random, never used before: the grant that the code becomes.
        id: GrantId,
        /// What was shown.
        claim: Claim,
        /// Node that shows it, and is the audience of the grant.
        by: NodeKey,
        /// What comes back of it.
        refund: RefundPolicy,
    },
    /// The call of a grant that is held here ended, or the switch of a budget is done with.
    Finish {
        /// The grant, or account of the budget.
        grant: GrantId,
        /// How.
        ending: Ending,
    },
    /// The handler of a call ended without a word, and its grant goes on: whatever is free of it
    /// counts as spent, but for calls.
    SpendRest {
        /// The grant of its call.
        grant: GrantId,
    },
    /// The caller has no more use for a grant that was cut here.
    Recall {
        /// The grant.
        grant: GrantId,
    },
    /// A grant that was cut here is given up: charged in full for good.
    WriteOff {
        /// The grant.
        grant: GrantId,
    },
    /// The call of a grant was never sent: nobody can have spent from it.
    Unsent {
        /// The grant.
        grant: GrantId,
    },
    /// The provider's side says what was used of a grant that was cut here.
    Metered {
        /// The grant.
        grant: GrantId,
        /// Used so far.
        used: Amount,
    },
    /// Somebody who may stops a budget, or the part of it that a grant is.
    Trip {
        /// The grant, or account of the budget.
        grant: GrantId,
        /// Why.
        reason: TripReason,
        /// Node that asks for it.
        by: NodeKey,
    },
    /// A statement was signed with the own key.
    Signed(Trip),
    /// A round of a strict budget was signed with the own key.
    Beacon(Beacon),
    /// A peer said what its clock reads.
    Clock {
        /// The peer.
        peer: NodeKey,
        /// What it said.
        reading: Reading,
    },
    /// A peer is gone.
    Gone {
        /// The peer.
        peer: NodeKey,
    },
    /// A message came through the tunnel of a peer.
    Receive {
        /// The peer.
        from: NodeKey,
        /// What it said.
        message: Message,
    },
    /// Everything up to this write is durable.
    Persisted {
        /// Number of the write.
        seq: u64,
    },
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// A budget, by its account.
    Budget(GrantId),
    /// A grant.
    Grant(GrantId),
    /// A reservation.
    Reservation(GrantId, ReservationId),
    /// A trip.
    Trip(GrantId),
    /// A redeem code, by the digest of its secret.
    Code(GrantId, Digest),
}

/// What somebody did who may not, or what does not add up; for the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Breach {
    /// A grant for another node.
    WrongAudience,
    /// A grant, recall or lease from a node that did not cut the grant.
    WrongIssuer,
    /// A lease of a strict budget that its root did not give.
    WrongBeacon,
    /// A last word, refusal or question from a node that does not hold the grant.
    WrongHolder,
    /// A second grant of the same id.
    Equivocation,
    /// More was used than was granted.
    UsedOverGrant,
    /// Less was used than was seen.
    UsedUnderSeen,
    /// A receipt that no gateway signed as it is.
    ReceiptAltered,
    /// A receipt of another gateway, grant or key.
    ReceiptForeign,
    /// Two receipts of one key or reservation.
    ReceiptRepeated,
    /// Receipts that are not those of the chain, or not the one that counts.
    ReceiptsMissing,
}

impl Breach {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongBeacon => "wrong_beacon",
            Self::WrongHolder => "wrong_holder",
            Self::Equivocation => "equivocation",
            Self::UsedOverGrant => "used_over_grant",
            Self::UsedUnderSeen => "used_under_seen",
            Self::ReceiptAltered => "receipt_altered",
            Self::ReceiptForeign => "receipt_foreign",
            Self::ReceiptRepeated => "receipt_repeated",
            Self::ReceiptsMissing => "receipts_missing",
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Output {
    /// Make these writes durable, all or none, in the order of their numbers; then say so.
    Persist {
        /// Number of the write.
        seq: u64,
        /// The writes.
        writes: Vec<Write>,
    },
    /// Send a message; it may be lost.
    Send {
        /// To this peer.
        to: NodeKey,
        /// The message.
        message: Message,
    },
    /// A budget is open.
    Opened {
        /// Its account.
        grant: GrantId,
    },
    /// A grant was cut: it travels with its call.
    Granted(Box<Grant>),
    /// A grant is held here: its call may run.
    Held(Box<Grant>),
    /// A code was made: it may leave.
    Offered(Box<Claim>),
    /// It may be spent.
    Reserved {
        /// The grant.
        grant: GrantId,
        /// The reservation.
        id: ReservationId,
    },
    /// It may not.
    Refused {
        /// What was asked for.
        asked: Asked,
        /// Why.
        error: Error,
    },
    /// Cancel what runs under a grant, and refuse what is queued.
    Cancel {
        /// The grant.
        grant: GrantId,
        /// Why.
        reason: TripReason,
    },
    /// Sign this with the own key.
    Sign(Statement),
    /// Sign this with the own key: holders of a strict budget go on by it.
    SignBeacon(Round),
    /// A budget is stopped.
    Tripped(Statement),
    /// A grant that was cut here is settled.
    Settled {
        /// The grant.
        grant: GrantId,
        /// What is charged for it.
        charged: Amount,
        /// True when its holder never said a last word, and all of it is charged for good.
        written_off: bool,
    },
    /// A grant that was held here, or a budget, is over.
    Closed {
        /// The grant.
        grant: GrantId,
        /// What was used of it.
        used: Amount,
        /// True when nothing was reported and so all of it is charged.
        in_full: bool,
    },
    /// A provider took more than was set aside for it: all of it is charged, the budget is stopped
    /// as far as it is here, and its root hears of it with the last words.
    Overrun {
        /// Node whose handler spent it.
        by: NodeKey,
        /// The budget.
        budget: BudgetId,
        /// How much more.
        overrun: Amount,
    },
    /// Write this into the audit log.
    Audit {
        /// Who.
        by: NodeKey,
        /// Which grant.
        grant: GrantId,
        /// What.
        breach: Breach,
    },
}
