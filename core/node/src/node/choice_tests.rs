//! Which mesh a node is in, and what a name beyond it means (SPEC 03).

use super::{AgentOptions, InviteOptions, Node, NodeOptions, RequestOptions, handler, join};
use crate::meter::{self, Subject};
use crate::{Content, Kind};
use hubless_proto::identity::MeshId;
use serde_json::json;
use std::path::Path;

async fn start(home: &Path, mesh: Option<&str>) -> crate::Result<Node> {
    let (home, mesh) = (Some(home.to_owned()), mesh.map(str::to_owned));
    Node::start(NodeOptions { home, mesh, ..NodeOptions::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mesh_is_the_one_that_is_named_else_that_of_the_environment_else_the_joined_one() {
    if let Some(home) = meter::subject() {
        let (unnamed, own) = (start(&home, None).await.unwrap(), start(&home, Some("own")).await);
        let ids = format!("{} {}", unnamed.mesh_id(), own.unwrap().mesh_id());
        tokio::task::block_in_place(|| meter::obey(|_| ids.clone()));
    }
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let minter = start(ours.path(), None).await.unwrap();
    let echo = handler(|_, content| async move { Ok(content) });
    let agent = AgentOptions::read(json!({"name": "echo"})).unwrap();
    minter.register(agent, echo).await.unwrap();
    let before = start(theirs.path(), None).await.unwrap().mesh_id();
    let options = InviteOptions { local: true, ..InviteOptions::default() };
    let ticket = minter.invite(options).await.unwrap();
    let joined = join(Some(theirs.path()), &ticket).await.unwrap();
    assert_eq!(joined, minter.mesh_id());
    assert_ne!(before, joined);

    let (own_id, joined_id) = (before.to_string(), joined.to_string());
    let rows: [(Option<&str>, MeshId); 4] = [
        (None, joined),
        (Some("own"), before),
        (Some(&own_id), before),
        (Some(&joined_id), joined),
    ];
    for (mesh, wanted) in rows {
        assert_eq!(start(theirs.path(), mesh).await.unwrap().mesh_id(), wanted, "{mesh:?}");
    }
    let strange = MeshId::from_bytes([7; 32]).to_string();
    assert_eq!(start(theirs.path(), Some(&strange)).await.unwrap_err().kind, Kind::NotFound);

    let test = "node::choice_tests::\
                the_mesh_is_the_one_that_is_named_else_that_of_the_environment_else_the_joined_one";
    for (variable, wanted) in [("own", before), (&joined_id, joined)] {
        let mut subject = Subject::with(test, theirs.path(), &[("HUBLESS_MESH", variable)]);
        // What the program names comes before the environment.
        assert_eq!(subject.tell("which"), format!("{wanted} {before}"), "{variable}");
    }

    let guest = start(theirs.path(), None).await.unwrap();
    let ask = |to: String| guest.request(RequestOptions::new(to, Content::text("hello")));
    assert_eq!(ask(format!("echo@{joined}")).await.unwrap().content.joined_text(), "hello");
    let error = ask(format!("echo@{before}")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Unsupported, "mesh"));
    assert_eq!(error.field.as_deref(), Some("to"));
}
