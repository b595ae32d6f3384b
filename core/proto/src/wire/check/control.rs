//! Messages of `control.proto`.

use super::form::{at_most, bytes32, exactly, present, required, texts};
use crate::error::{Error, Result};
use crate::limits as l;
use crate::wire::decode::Checked;
use crate::wire::text::check_id;
use crate::wire::v1;

impl Checked for v1::Hello {
    fn check(&self) -> Result<()> {
        if self.version_low == 0 || self.version_low > self.version_high {
            return Err(Error::invalid("version_low", "expected 1 up to version_high"));
        }
        required("node", self.node.as_ref())?;
        at_most("token", self.token.len(), "TOKEN_BYTES", l::TOKEN_BYTES)?;
        exactly("signature", &self.signature, 64)?;
        texts("features", &self.features)
    }
}

impl Checked for v1::HelloAck {
    fn check(&self) -> Result<()> {
        texts("role", std::slice::from_ref(&self.role))
    }
}

impl Checked for v1::Refused {
    fn check(&self) -> Result<()> {
        required("rejection", self.rejection.as_ref())?.check()
    }
}

impl Checked for v1::Show {
    fn check(&self) -> Result<()> {
        at_most("agents", self.agents.len(), "MESSAGE_ITEMS", l::MESSAGE_ITEMS)?;
        self.agents.iter().try_for_each(Checked::check)
    }
}

impl Checked for v1::Hide {
    fn check(&self) -> Result<()> {
        at_most("agents", self.agents.len(), "MESSAGE_ITEMS", l::MESSAGE_ITEMS)?;
        if !self.seqs.is_empty() && self.seqs.len() != self.agents.len() {
            return Err(Error::invalid("seqs", "expected one number of each agent, or none"));
        }
        self.agents.iter().try_for_each(|agent| bytes32("agents", agent))
    }
}

impl Checked for v1::Clock {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Checked for v1::Load {
    fn check(&self) -> Result<()> {
        at_most("queued", self.queued.len(), "MEMBER_RECORDS", l::MEMBER_RECORDS)?;
        self.queued.keys().try_for_each(|agent| check_id("queued", agent))
    }
}

impl Checked for v1::Redeem {
    fn check(&self) -> Result<()> {
        bytes32("invite", &self.invite)?;
        bytes32("member_key", &self.member_key)
    }
}

impl Checked for v1::Redeemed {
    fn check(&self) -> Result<()> {
        at_most("token", self.token.len(), "TOKEN_BYTES", l::TOKEN_BYTES)?;
        match &self.rejection {
            Some(rejection) => rejection.check(),
            None if self.token.is_empty() => {
                Err(Error::invalid("token", "expected a token or a rejection"))
            }
            None => Ok(()),
        }
    }
}

impl Checked for v1::Drained {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Checked for v1::Goodbye {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Checked for v1::RevokedKeys {
    fn check(&self) -> Result<()> {
        bytes32("mesh", &self.mesh)?;
        at_most("keys", self.keys.len(), "REVOKED_KEYS", l::REVOKED_KEYS)?;
        self.keys.iter().try_for_each(|key| bytes32("keys", key))
    }
}

impl Checked for v1::Ask {
    fn check(&self) -> Result<()> {
        use v1::ask::Question;
        match present("question", self.question.as_ref())? {
            Question::SkillDocument(digest) => bytes32("skill_document", digest),
            Question::Descriptor(agent) => bytes32("descriptor", agent),
            Question::Returns(asked) => {
                bytes32("agent", &asked.agent)?;
                bytes32("callee", &asked.callee)
            }
            Question::Trace(id) => exactly("trace", id, 16),
            Question::OperatorStop(stop) => stop.check(),
            Question::RenewToken(token) => held_token("renew_token", token),
            Question::Revoked(list) => list.check(),
            Question::Redeem(code) => code.check(),
        }
    }
}

impl Checked for v1::Answer {
    fn check(&self) -> Result<()> {
        use v1::answer::Answer;
        match present("answer", self.answer.as_ref())? {
            Answer::SkillDocument(bytes) => {
                let (limit, bound) = ("SKILL_DOCUMENT_BYTES", l::SKILL_DOCUMENT_BYTES);
                at_most("skill_document", bytes.len(), limit, bound)
            }
            Answer::Agent(agent) => agent.check(),
            Answer::Rejection(rejection) => rejection.check(),
            Answer::Returns(_) => Ok(()),
            Answer::Trace(trace) => trace.check(),
            Answer::Stopped(stopped) => {
                super::killswitch::budgets("stopped.budgets", &stopped.budgets)
            }
            Answer::Token(token) => held_token("token", token),
            Answer::Revoked(list) => list.check(),
            Answer::Granted(grant) => {
                at_most("granted", grant.len(), "TOKEN_BYTES", l::TOKEN_BYTES)
            }
        }
    }
}

fn held_token(field: &str, token: &[u8]) -> Result<()> {
    if token.is_empty() {
        return Err(Error::invalid(field, "expected a token"));
    }
    at_most(field, token.len(), "TOKEN_BYTES", l::TOKEN_BYTES)
}
