//! The npm packages: installed into empty projects of each kind and used there.

use super::all::{refuses, works};
use crate::count::Outcome;
use crate::house::{Result, root, text};
use crate::language::{Language, installed};
use crate::package::{Dist, Profile, VERSION, ZOD, empty, notices, write};
use crate::step::Step;
use std::path::{Path, PathBuf};

/// The version of what bundles a project.
const ESBUILD: &str = "esbuild@0.28.2";

/// A whole program: starts a node, calls its own agent, and closes nothing.
const USE: &str = "const run = async () => {\n  const node = await Node.start();\n  \
    await node.agent({ name: 'greet' }, (input) => `hello ${input}`);\n  \
    console.log((await node.request('greet', 'project')).value);\n};\nrun();\n";

/// A program as TypeScript is strictest with it, and the same with a mistake.
const TYPED: &str = "import { HublessError, Node, type Reply } from 'hubless';\n\n\
    const node: Node = await Node.start();\nconst reply: Reply = await node.request('nobody');\n\
    if (reply instanceof HublessError) console.log(reply.kind);\nawait node.close();\n";
const MISTAKE: (&str, &str) = ("Node.start()", "Node.start({ nobody: 1 })");
const COMMON: &str = "import hubless = require('hubless');\n\n\
    export const version: string = hubless.version();\n";

/// A bundle, with its addon left outside: the loader asks for it by a name made at run time.
const WORKER: &str = "import { Worker } from 'node:worker_threads';\n\
    const worker = new Worker(new URL('./esm.mjs', import.meta.url));\n\
    worker.on('exit', (code) => console.log(`worker ended with ${code}`));\n";

/// A mesh for one test, and a fake peer that is asked in it.
const FAKE: &str = "const run = async () => {\n  const mesh = await startMesh();\n  \
    await mesh.fake('weather', { otherwise: { answer: { value: 7 } } });\n  \
    const { value } = await mesh.node.request('weather', 'Oslo');\n  await mesh.close();\n  \
    console.log(`the fake said ${value}`);\n};\nrun();\n";

/// Installs the packed files into an empty project for each way to use them.
pub(super) fn install(dist: Dist) -> Result<Outcome> {
    let project = installed(Language::Node);
    empty(&project)?;
    let mut outcome = modules(dist, &project.join("programs"))?;
    outcome += common(dist, &project.join("common"))?;
    outcome += typed(dist, &project.join("typed"))?;
    outcome += bundled(dist, &project.join("bundled"))?;
    Ok(outcome)
}

/// `npm install` of both packed files, and of what else a project uses.
///
/// # Errors
/// A package is not there, or a download failed.
pub(crate) fn npm(dist: Dist, folder: &Path, kind: &str, others: &[&str]) -> Result<()> {
    let manifest = format!("{{ \"name\": \"user\", \"private\": true, \"type\": \"{kind}\" }}\n");
    write(&folder.join("package.json"), manifest)?;
    let packed = |name: &str| text(&dist.node().join(format!("{name}-{VERSION}.tgz")));
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Step::new(&format!("install: node, npm install in {name}"), "npm")
        .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"])
        .args([packed("hubless"), packed("hubless-linux-x64-gnu")])
        .args(others)
        .folder(folder)
        .must()
        .map(drop)
}

fn node(name: &str, folder: &Path, arguments: &[&str]) -> Result<Step> {
    let home = folder.join("home");
    empty(&home)?;
    // A program that does not end by itself is a failure, not a run that hangs.
    let step = Step::new(&format!("install: node, {name}"), "timeout");
    Ok(step.args(["60", "node"]).args(arguments).folder(folder).env("HUBLESS_HOME", home))
}

/// One test: the program prints this line and ends by itself.
fn prints(step: Step, line: &str) -> Result<Outcome> {
    let done = step.run()?;
    let said = done.output.lines().any(|said| said == line);
    Ok(Outcome::one(done.ok && said, || format!("expected {line:?}\n{}", done.tail(30))))
}

/// ES modules, the examples among them, and a worker thread.
fn modules(dist: Dist, folder: &Path) -> Result<Outcome> {
    npm(dist, folder, "module", &[ZOD])?;
    write(&folder.join("esm.mjs"), format!("import {{ Node }} from 'hubless';\n{USE}"))?;
    write(&folder.join("worker.mjs"), WORKER)?;
    for name in ["hello_agent.mjs", "hello_caller.mjs"] {
        let text = read(&root().join("node/examples").join(name))?;
        write(&folder.join(name), text)?;
    }
    let runner = root().join("tests/conformance/runners/node");
    let entries = std::fs::read_dir(&runner).map_err(|error| error.to_string())?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    for name in names.filter(|name| name.ends_with(".mjs")) {
        let text = read(&runner.join(&name))?;
        // The checkout's runner imports the checkout: here the packages are asked for by name.
        let text = text.replace("../../../../node/dist/index.mjs", "hubless");
        let text = text.replace("../../../../node/node_modules/zod/index.js", "zod");
        if text.contains("../../") {
            return Err(format!("{name} imports something of the checkout"));
        }
        write(&folder.join(&name), text)?;
    }
    let mut outcome = contents(folder);
    outcome += prints(node("a program", folder, &["esm.mjs"])?, "hello project")?;
    write(
        &folder.join("fake.mjs"),
        format!("import {{ startMesh }} from 'hubless/testing';\n{FAKE}"),
    )?;
    outcome += prints(node("a test mesh", folder, &["fake.mjs"])?, "the fake said 7")?;
    outcome += prints(node("a worker", folder, &["worker.mjs"])?, "worker ended with 0")?;
    Ok(outcome)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What only tests of the bridge may call is in the libraries of the tests, and not in a release.
fn bridge_tests(dist: Dist, folder: &Path) -> Result<Outcome> {
    let code = format!(
        "const addon = require('{}'); console.log('panicNow' in addon, \
         addon.ask('bridge.echo', '{{}}')[0], 'drain' in addon)",
        crate::package::NODE_PLATFORM
    );
    let step = node("functions of the addon", folder, &["-e", &code])?;
    prints(
        step,
        match dist.profile {
            Profile::Dev => "true true true",
            Profile::Release => "false false true",
        },
    )
}

/// Both packages carry their notices, and nothing runs when they are installed.
fn contents(folder: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    for file in ["guide.md", "reference/index.html"] {
        let file = folder.join("node_modules/hubless/docs").join(file);
        outcome += Outcome::one(file.is_file(), || format!("missing: {}", file.display()));
    }
    for package in ["hubless", crate::package::NODE_PLATFORM] {
        let package = folder.join("node_modules").join(package);
        for name in notices::names() {
            let file = package.join(name);
            outcome += Outcome::one(file.is_file(), || format!("missing: {}", file.display()));
        }
        let manifest = read(&package.join("package.json")).unwrap_or_default();
        let quiet = manifest.contains("\"version\"") && !manifest.contains("\"scripts\"");
        outcome += Outcome::one(quiet, || format!("{}: {manifest}", package.display()));
    }
    outcome
}

/// CommonJS, here and on a platform whose addon is not there.
fn common(dist: Dist, folder: &Path) -> Result<Outcome> {
    npm(dist, folder, "commonjs", &[])?;
    write(&folder.join("index.js"), format!("const {{ Node }} = require('hubless');\n{USE}"))?;
    let mut outcome = prints(node("CommonJS", folder, &["index.js"])?, "hello project")?;
    let fake = format!("const {{ startMesh }} = require('hubless/testing');\n{FAKE}");
    write(&folder.join("fake.js"), fake)?;
    let step = node("a test mesh of CommonJS", folder, &["fake.js"])?;
    outcome += prints(step, "the fake said 7")?;
    outcome += bridge_tests(dist, folder)?;
    let pretend = "Object.defineProperty(process, 'arch', { value: 'riscv64' });\n\
        try { require('hubless').version(); }\n\
        catch (error) { console.log(error.message); process.exit(3); }";
    let done = node("another platform", folder, &["-e", pretend])?.run()?;
    let wanted = "hubless has no native library for linux-riscv64-gnu: ";
    let said = done.output.trim();
    let one = said.starts_with(wanted) && said.lines().count() == 1;
    outcome += Outcome::one(!done.ok && one, || format!("expected {wanted:?}, got {said:?}"));
    Ok(outcome)
}

/// TypeScript, `strict` and `nodenext`, as both kinds of module.
fn typed(dist: Dist, folder: &Path) -> Result<Outcome> {
    npm(dist, folder, "module", &[])?;
    let types = root().join("node/node_modules/@types");
    let settings = format!(
        "{{ \"compilerOptions\": {{ \"strict\": true, \"module\": \"nodenext\",\n\
         \"target\": \"es2022\", \"lib\": [\"es2023\", \"esnext.disposable\", \
         \"dom.asynciterable\"],\n\"types\": [\"node\"], \"typeRoots\": [{:?}],\n\
         \"noEmit\": true }}, \"include\": [\"*.mts\", \"*.cts\"] }}\n",
        text(&types)
    );
    write(&folder.join("tsconfig.json"), settings)?;
    write(&folder.join("user.mts"), TYPED)?;
    write(&folder.join("user.cts"), COMMON)?;
    let compiler = root().join("node/node_modules/.bin/tsc");
    let check = |name: &str| {
        let step = Step::new(&format!("install: node, tsc {name}"), &compiler);
        step.args(["-p", "tsconfig.json"]).folder(folder)
    };
    let mut outcome = works(check("user"))?;
    let (right, wrong) = MISTAKE;
    write(&folder.join("mistaken.mts"), TYPED.replace(right, wrong))?;
    outcome += refuses(check("mistaken"), &["mistaken.mts", "nobody"])?;
    Ok(outcome)
}

/// One file by esbuild, moved away from the facade; the addon stays an installed package.
fn bundled(dist: Dist, folder: &Path) -> Result<Outcome> {
    npm(dist, folder, "commonjs", &[ESBUILD])?;
    write(&folder.join("index.mjs"), format!("import {{ Node }} from 'hubless';\n{USE}"))?;
    let out: PathBuf = folder.join("out/bundle.cjs");
    Step::new("install: node, esbuild", folder.join("node_modules/.bin/esbuild"))
        .args(["index.mjs", "--bundle", "--platform=node", "--format=cjs"])
        .args(["--log-level=warning", &format!("--outfile={}", text(&out))])
        .folder(folder)
        .must()?;
    let facade = folder.join("node_modules/hubless");
    std::fs::remove_dir_all(&facade).map_err(|error| error.to_string())?;
    prints(node("a bundle", folder, &["out/bundle.cjs"])?, "hello project")
}
