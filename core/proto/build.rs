//! Compiles the protobuf files without protoc, and gives each message its JSON form
//! (proto3 JSON mapping; a field `x_json` holds JSON text and appears as the value `x`) and its
//! shape (a table of its fields).

use prost_build::Config;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FILES: [&str; 4] = [
    "hubless/v1/record.proto",
    "hubless/v1/message.proto",
    "hubless/v1/control.proto",
    "hubless/v1/killswitch.proto",
];

/// JSON that is never missing: null is a value of it. The fields of a oneof are such by nature.
const REQUIRED_JSON: [&str; 1] = ["arguments_json"];

/// Messages that hold prompts, results or credentials: `wire/debug.rs` prints them.
const PRIVATE: [&str; 10] = [
    "Auth",
    "Blob",
    "ContextEntry",
    "ContextReference",
    "Part",
    "ProviderKey",
    "Redeem",
    "RedeemCode",
    "Request",
    "ToolCall",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let set = protox::compile(FILES, ["proto"])?;
    let mut config = Config::new();
    config.bytes(["."]).btree_map(["."]);
    config.type_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]");
    config.type_attribute(".", "#[serde(rename_all = \"camelCase\")]");
    config.skip_debug(PRIVATE.map(|message| format!(".hubless.v1.{message}")));
    json_attributes(&set, &mut config);
    std::fs::write(out("shapes.rs")?, shapes(&set))?;
    config.compile_fds(set)?;
    flatten_oneofs()
}

fn out(file: &str) -> Result<PathBuf, std::env::VarError> {
    Ok(Path::new(&std::env::var("OUT_DIR")?).join(file))
}

/// The messages as a table, so that bytes can be measured before anything is allocated for them.
fn shapes(set: &FileDescriptorSet) -> String {
    let mut found = Vec::new();
    for file in &set.file {
        for message in &file.message_type {
            collect(&format!(".{}", file.package()), message, true, &mut found);
        }
    }
    let index: BTreeMap<&str, usize> =
        found.iter().enumerate().map(|(index, (path, ..))| (path.as_str(), index)).collect();
    let mut text = String::from("pub(super) static SHAPES: &[Shape] = &[\n");
    let mut impls = String::new();
    for (at, (path, message, top)) in found.iter().enumerate() {
        let short = path.rsplit(".v1.").next().unwrap_or(path);
        text += &format!("Shape {{ name: {short:?}, fields: &[\n");
        for field in &message.field {
            let inner = index.get(field.type_name()).copied();
            text += &format!(
                "Field {{ number: {}, name: {:?}, repeated: {}, text: {}, inner: {inner:?} }},\n",
                field.number(),
                field.name(),
                field.label() == Label::Repeated,
                field.r#type() == Type::String,
            );
        }
        text += "] },\n";
        if *top {
            impls += &format!("impl Shaped for v1::{short} {{ const SHAPE: usize = {at}; }}\n");
        }
    }
    text + "];\n" + &impls
}

fn collect<'a>(
    parent: &str,
    message: &'a DescriptorProto,
    top: bool,
    found: &mut Vec<(String, &'a DescriptorProto, bool)>,
) {
    let path = format!("{parent}.{}", message.name());
    for nested in &message.nested_type {
        collect(&path, nested, false, found);
    }
    found.push((path, message, top));
}

/// A oneof appears as its one field. Set on the text, because an attribute set by path on a oneof
/// reaches its variants as well.
fn flatten_oneofs() -> Result<(), Box<dyn std::error::Error>> {
    let path = out("hubless.v1.rs")?;
    let text = std::fs::read_to_string(&path)?;
    let flat = "#[serde(flatten, deserialize_with = \"crate::wire::json::one_of\")]";
    std::fs::write(path, text.replace("#[prost(oneof", &format!("{flat}\n    #[prost(oneof")))?;
    Ok(())
}

fn json_attributes(set: &FileDescriptorSet, config: &mut Config) {
    for file in &set.file {
        for message in &file.message_type {
            message_attributes(&format!(".{}", file.package()), message, config);
        }
    }
}

fn message_attributes(package: &str, message: &DescriptorProto, config: &mut Config) {
    let path = format!("{package}.{}", message.name());
    config.message_attribute(&path, "#[serde(default)]");
    for field in &message.field {
        let in_oneof = field.oneof_index.is_some() && !field.proto3_optional();
        field_attributes(&path, message, field, in_oneof, config);
    }
}

fn field_attributes(
    path: &str,
    message: &DescriptorProto,
    field: &FieldDescriptorProto,
    in_oneof: bool,
    config: &mut Config,
) {
    let target = match (in_oneof, field.oneof_index) {
        (true, Some(index)) => {
            let oneof = usize::try_from(index).ok().and_then(|i| message.oneof_decl.get(i));
            format!("{path}.{}.{}", oneof.map_or("", |o| o.name()), field.name())
        }
        _ => format!("{path}.{}", field.name()),
    };
    if !in_oneof {
        config.field_attribute(
            &target,
            "#[serde(skip_serializing_if = \"crate::wire::json::is_default\")]",
        );
    }
    let repeated = field.label() == Label::Repeated;
    let json_name = field.name().strip_suffix("_json").filter(|_| field.r#type() != Type::Bool);
    if let Some(name) = json_name {
        let module = match (repeated, in_oneof || REQUIRED_JSON.contains(&field.name())) {
            (true, _) => "text_map",
            (false, true) => "text",
            (false, false) => "optional_text",
        };
        config.field_attribute(
            &target,
            format!(
                "#[serde(rename = \"{}\", with = \"crate::wire::json::{module}\")]",
                camel(name)
            ),
        );
    } else if field.r#type() == Type::Bytes {
        let module = if repeated { "base64_list" } else { "base64" };
        config
            .field_attribute(&target, format!("#[serde(with = \"crate::wire::json::{module}\")]"));
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}
