//! One agent's rules, compiled at registration.

use super::{AuthRule, Effect, Requirements};
use crate::error::{Error, Kind, Result};
use crate::identity::AgentId;
use crate::limits;
use crate::schema::Schema;
use crate::wire::v1;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is checked before a handler of this agent runs.
#[derive(Debug, Clone)]
pub struct Policy {
    id: AgentId,
    descriptor: Arc<v1::Descriptor>,
    requirements: Requirements,
    skills: BTreeMap<String, SkillRules>,
}

/// What holds for one skill.
#[derive(Debug, Clone)]
pub struct SkillRules {
    /// What a second run means.
    pub effect: Effect,
    /// Holds for what is asked.
    pub input: Option<Arc<Schema>>,
    /// Holds for the answer.
    pub output: Option<Arc<Schema>>,
}

impl Policy {
    /// Compiles the rules of an agent. `documents` are the skill documents of the skills that
    /// have one; `node_auth` is the node's own mechanism at this time.
    ///
    /// # Errors
    /// `configuration`: auth is required without a mechanism. `invalid_argument` naming the skill:
    /// a schema or an effect is wrong, a skill stands twice, a document is of no skill, or there
    /// are more than `DESCRIPTOR_SKILLS`.
    pub fn new(
        id: AgentId,
        descriptor: Arc<v1::Descriptor>,
        documents: &[v1::SkillDocument],
        requirements: Requirements,
        node_auth: &AuthRule,
    ) -> Result<Self> {
        refuse_unmet_needs(&descriptor, &requirements, node_auth)?;
        let skills = skill_rules(&descriptor, documents)?;
        Ok(Self { id, descriptor, requirements, skills })
    }

    /// The agent.
    pub const fn id(&self) -> AgentId {
        self.id
    }

    /// What it publishes.
    pub const fn descriptor(&self) -> &Arc<v1::Descriptor> {
        &self.descriptor
    }

    /// What it enforces.
    pub const fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// The rules of the skill that a request means (`Descriptor::skill`); none: an agent without
    /// skills, which is asked as a whole.
    ///
    /// # Errors
    /// `not_found`, code `skill`: it has no such skill, or several where none is named.
    pub fn skill(&self, name: &str) -> Result<Option<&SkillRules>> {
        let meant = self.descriptor.skill(name);
        let rules = meant.and_then(|skill| self.skills.get(&skill.id));
        if rules.is_none() && !(name.is_empty() && self.skills.is_empty()) {
            return Err(self.no_skill(name));
        }
        Ok(rules)
    }

    fn no_skill(&self, name: &str) -> Error {
        let message = if name.is_empty() {
            let ids: Vec<_> = self.skills.keys().take(limits::SKILLS_SHOWN).collect();
            let more = self.skills.len().saturating_sub(ids.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("the agent has the skills {ids:?}{more}: name one")
        } else {
            "the agent has no such skill".to_owned()
        };
        Error::refusal(Kind::NotFound, "skill", message).with_field("skill").with_agent(self.id)
    }
}

fn refuse_unmet_needs(
    descriptor: &v1::Descriptor,
    requirements: &Requirements,
    node_auth: &AuthRule,
) -> Result<()> {
    let needs = descriptor.needs.as_ref();
    let schemes = needs.map(|needs| needs.auth_schemes.as_slice()).unwrap_or_default();
    let wanted = descriptor.requires_auth || schemes.iter().any(|scheme| scheme != "none");
    let mechanism = requirements.auth.as_ref().unwrap_or(node_auth);
    if wanted && !mechanism.is_mechanism() {
        let message = "auth is required, but neither the agent nor its node has a mechanism";
        return Err(Error::new(Kind::Configuration, message)
            .with_code("auth_mechanism")
            .with_field("requirements.auth"));
    }
    let grant = needs.map(|needs| needs.grant.as_str()).unwrap_or_default();
    match grant {
        "" | "none" | "accepted" | "required" => Ok(()),
        _ => Err(Error::invalid("needs.grant", "expected none, accepted or required")),
    }
}

fn skill_rules(
    descriptor: &v1::Descriptor,
    documents: &[v1::SkillDocument],
) -> Result<BTreeMap<String, SkillRules>> {
    if descriptor.skills.len() > limits::DESCRIPTOR_SKILLS {
        let message = format!("expected at most {} skills", limits::DESCRIPTOR_SKILLS);
        return Err(Error::invalid("skills", message)
            .with_limit("DESCRIPTOR_SKILLS", limits::DESCRIPTOR_SKILLS as u64));
    }
    let mut skills = BTreeMap::new();
    for skill in &descriptor.skills {
        let field = format!("skills.{}", skill.id);
        let in_range = |id: &str| !id.is_empty() && id.len() <= limits::ID_BYTES;
        if !in_range(&skill.id) {
            let message = format!("expected an id of 1 to {} bytes", limits::ID_BYTES);
            return Err(
                Error::invalid("skills", message).with_limit("ID_BYTES", limits::ID_BYTES as u64)
            );
        }
        let effect = Effect::of_field(&skill.effect)
            .map_err(|error| error.with_field(&format!("{field}.effect")))?;
        let rules = SkillRules { effect, input: None, output: None };
        if skills.insert(skill.id.clone(), rules).is_some() {
            return Err(Error::invalid(&field, "the skill stands twice"));
        }
    }
    for document in documents {
        let field = format!("skills.{}", document.id);
        let rules = skills
            .get_mut(&document.id)
            .ok_or_else(|| Error::invalid(&field, "the document is of no skill"))?;
        rules.input = schema(&document.input_schema_json, &format!("{field}.inputSchema"))?;
        rules.output = schema(&document.output_schema_json, &format!("{field}.outputSchema"))?;
    }
    Ok(skills)
}

fn schema(text: &str, field: &str) -> Result<Option<Arc<Schema>>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |error: Error| Error::invalid(field, error.message).with_code("bad_schema");
    Schema::compile(text).map(|schema| Some(Arc::new(schema))).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(
        change: impl FnOnce(&mut v1::Descriptor, &mut Vec<v1::SkillDocument>),
        auth: AuthRule,
    ) -> Result<Policy> {
        let skill = |id: &str| v1::Skill { id: id.to_owned(), ..v1::Skill::default() };
        let mut descriptor =
            v1::Descriptor { skills: vec![skill("a"), skill("b")], ..v1::Descriptor::default() };
        let mut documents = Vec::new();
        change(&mut descriptor, &mut documents);
        let id = AgentId::from_bytes([1; 32]);
        Policy::new(id, Arc::new(descriptor), &documents, Requirements::default(), &auth)
    }

    #[test]
    fn auth_without_a_mechanism_is_a_fault_at_registration() {
        let needs = |descriptor: &mut v1::Descriptor, _: &mut Vec<_>| {
            descriptor.needs.get_or_insert_default().auth_schemes.push("custom".to_owned());
        };
        let error = build(needs, AuthRule::None).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "auth_mechanism"));
        assert!(build(needs, AuthRule::Host).is_ok());
        let flag =
            |descriptor: &mut v1::Descriptor, _: &mut Vec<_>| descriptor.requires_auth = true;
        assert_eq!(build(flag, AuthRule::None).unwrap_err().kind, Kind::Configuration);
    }

    #[test]
    fn a_grant_may_be_required() {
        let grant = |text: &'static str| {
            move |descriptor: &mut v1::Descriptor, _: &mut Vec<v1::SkillDocument>| {
                descriptor.needs.get_or_insert_default().grant = text.to_owned();
            }
        };
        assert!(build(grant("accepted"), AuthRule::None).is_ok());
        assert!(build(grant("required"), AuthRule::None).is_ok());
        assert_eq!(build(grant("x"), AuthRule::None).unwrap_err().kind, Kind::InvalidArgument);
    }

    #[test]
    fn wrong_skills_are_named() {
        let document = |id: &str, input: &str| v1::SkillDocument {
            id: id.to_owned(),
            input_schema_json: input.to_owned(),
            ..v1::SkillDocument::default()
        };
        let field = |change: fn(&mut v1::Descriptor)| {
            let error = build(|descriptor, _| change(descriptor), AuthRule::None).unwrap_err();
            error.field.unwrap_or_default()
        };
        assert_eq!(field(|d| d.skills.push(d.skills[0].clone())), "skills.a");
        assert_eq!(field(|d| d.skills[0].id.clear()), "skills");
        assert_eq!(field(|d| d.skills[0].id = "x".repeat(limits::ID_BYTES + 1)), "skills");
        let longest = |d: &mut v1::Descriptor, _: &mut Vec<_>| {
            d.skills[0].id = "x".repeat(limits::ID_BYTES);
        };
        assert!(build(longest, AuthRule::None).is_ok());
        assert_eq!(field(|d| d.skills[1].effect = "X".to_owned()), "skills.b.effect");
        assert_eq!(field(|d| d.skills = vec![d.skills[0].clone(); 65]), "skills");
        let error = build(|_, all| all.push(document("a", "{")), AuthRule::None).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("skills.a.inputSchema"));
        let error = build(|_, all| all.push(document("c", "")), AuthRule::None).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("skills.c"));
    }

    #[test]
    fn of_several_skills_one_must_be_named_unless_one_is_called_handle() {
        let two = build(|_, _| (), AuthRule::None).unwrap();
        assert!(two.skill("a").unwrap().is_some());
        for (asked, says) in [("c", "no such skill"), ("", r#"["a", "b"]: name one"#)] {
            let error = two.skill(asked).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::NotFound, "skill"));
            assert_eq!(error.field.as_deref(), Some("skill"));
            assert!(error.message.contains(says), "{}", error.message);
        }
        let one = build(|d, _| drop(d.skills.pop()), AuthRule::None).unwrap();
        assert!(one.skill("").unwrap().is_some());
        let none = build(|d, _| d.skills.clear(), AuthRule::None).unwrap();
        assert!(none.skill("").unwrap().is_none() && none.skill("a").is_err());
        let whole = |d: &mut v1::Descriptor, _: &mut Vec<_>| {
            d.skills[1].id = "handle".to_owned();
            d.skills[1].effect = "PURE".to_owned();
        };
        let whole = build(whole, AuthRule::None).unwrap();
        assert_eq!(whole.skill("").unwrap().map(|rules| rules.effect), Some(Effect::Pure));
    }

    #[test]
    fn so_many_skills_are_told_of() {
        let many = |count: usize| {
            let policy = build(
                |d, _| {
                    let id = |n| format!("{n:0>width$}", width = limits::ID_BYTES);
                    let skill = |n| v1::Skill { id: id(n), ..v1::Skill::default() };
                    d.skills = (0..count).map(skill).collect();
                },
                AuthRule::None,
            );
            policy.unwrap().skill("").unwrap_err().message
        };
        let (all, more) = (many(limits::SKILLS_SHOWN), many(limits::DESCRIPTOR_SKILLS));
        assert!(!all.contains("more") && more.contains(" and 56 more"), "{all} {more}");
    }
}
