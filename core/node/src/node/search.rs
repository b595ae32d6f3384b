//! Finding agents.

use super::found::{Description, FindOptions, Found, Loaded, Scope};
use super::lifecycle::Node;
use super::stream::{Discovery, Watch};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::query::Query;
use serde_json::Value;

impl Node {
    /// Agents that match, best first; waits for a first one.
    ///
    /// # Errors
    /// `closed`; `invalid_argument` for a query that is too large or makes no sense.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn find(&self, query: Query, options: FindOptions) -> Result<Vec<Found>> {
        let _ = (query, options);
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// The best agent that matches.
    ///
    /// # Errors
    /// `not_found` when none came in time; as [`Node::find`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn peer(&self, query: Query, options: FindOptions) -> Result<Found> {
        let found = self.find(query, options).await?;
        found.into_iter().next().ok_or_else(|| Error::new(Kind::NotFound, "no agent matches"))
    }

    /// Agents that match, each once, as they appear.
    ///
    /// # Errors
    /// As [`Node::find`].
    pub fn discover(&self, query: Query, options: FindOptions) -> Result<Discovery> {
        let _ = (query, options);
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// What matches, then every change of it.
    ///
    /// # Errors
    /// As [`Node::find`].
    pub fn watch(&self, query: Query) -> Result<Watch> {
        let _ = query;
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// Everything that is public of an agent, by id, address or name.
    ///
    /// # Errors
    /// `not_found`, `ambiguous`; `transport` when its node cannot be asked for the long forms.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn describe(&self, agent: &str) -> Result<Description> {
        let _ = agent;
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// The agents of a scope, by name.
    ///
    /// # Errors
    /// `closed`.
    pub fn list_agents(&self, scope: Scope) -> Result<Vec<Found>> {
        let _ = scope;
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// Imports a static catalogue: descriptors in the JSON form of the contract's `register`.
    ///
    /// # Errors
    /// `closed`; what is wrong with single entries is in the result.
    pub fn load_agents(&self, descriptors: Vec<Value>) -> Result<Loaded> {
        let _ = descriptors;
        Err(Error::new(Kind::Unsupported, "not built"))
    }
}
