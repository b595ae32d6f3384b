//! What a node tells of the calls of one trace.

use super::form::{at_most, bytes32, exactly, optional_id};
use crate::error::{Error, Result};
use crate::identity::Name;
use crate::limits as l;
use crate::wire::decode::Checked;
use crate::wire::text::check_id;
use crate::wire::v1;

impl Checked for v1::TraceCalls {
    fn check(&self) -> Result<()> {
        at_most("calls", self.calls.len(), "TRACE_CALLS", l::TRACE_CALLS)?;
        optional_id("language", &self.language)?;
        self.calls.iter().try_for_each(Checked::check)
    }
}

impl Checked for v1::TraceCall {
    fn check(&self) -> Result<()> {
        exactly("span", &self.span, 8)?;
        if !self.parent.is_empty() {
            exactly("parent", &self.parent, 8)?;
        }
        check_id("side", &self.side)?;
        exactly("request", &self.request, 16)?;
        bytes32("agent", &self.agent)?;
        if !self.name.is_empty() {
            self.name.parse::<Name>()?;
        }
        bytes32("peer", &self.peer)?;
        optional_id("path", &self.path)?;
        optional_id("kind", &self.kind)?;
        optional_id("code", &self.code)?;
        self.budget.iter().try_for_each(Checked::check)?;
        match &self.usage {
            Some(usage) if !usage.by_model.is_empty() => {
                Err(Error::invalid("usage", "expected the sums only"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Checked for v1::TraceBudget {
    fn check(&self) -> Result<()> {
        bytes32("budget", &self.id)?;
        self.limit.as_ref().ok_or_else(|| Error::invalid("limit", "expected a limit"))?.check()?;
        self.spent.iter().try_for_each(Checked::check)
    }
}
