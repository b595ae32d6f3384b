//! What a relay asks of the mesh that it serves.

use hubless_proto::audit::Entry;
use hubless_proto::error::Result;
use hubless_proto::identity::NodeKey;
use std::fmt::Debug;
use std::time::Duration;

/// Who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    /// What its token says that it is; empty: it comes to join.
    pub(crate) role: String,
    /// Whose connections are counted together; none: the owner of the mesh, who is not counted.
    pub(crate) member: Option<[u8; 32]>,
    /// Keys that it rests on.
    pub(crate) keys: Vec<[u8; 32]>,
    /// How long it may stay; none: as long as any.
    pub(crate) stays: Option<Duration>,
}

/// The mesh of a relay. No method may block or wait.
pub(crate) trait Door: Debug + Send + Sync {
    /// Says whether a node, whose key is proven, may come in by this token.
    ///
    /// # Errors
    /// `auth` with the reason.
    fn opens(&self, node: NodeKey, token: &[u8]) -> Result<Guest>;

    /// True when one of these keys was revoked.
    fn is_revoked(&self, keys: &[[u8; 32]]) -> bool;

    /// Writes down who was let in or refused.
    fn noted(&self, entry: Entry);
}
