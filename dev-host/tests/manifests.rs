//! The two manifests of the API: what they differ in, and that every host they are meant for can read them.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by unwrapping it; clippy.toml covers only #[test] itself"
)]

use std::{fs, path::PathBuf};

use toml::{Table, Value};

const WASIP2: &str = "spin.toml";
const WASIP3: &str = "spin-wasip3.toml";

/// The fields that one version of Spin's parser accepts. It refuses any other: `deny_unknown_fields`.
struct Parser {
    /// Whose it is.
    of: &'static str,
    /// Where it was read.
    source: &'static str,
    top: &'static [&'static str],
    application: &'static [&'static str],
    variable: &'static [&'static str],
    trigger: &'static [&'static str],
    component: &'static [&'static str],
    build: &'static [&'static str],
}

const TOP: &[&str] = &["spin_manifest_version", "application", "variables", "trigger", "component"];
const APPLICATION: &[&str] = &["name", "version", "description", "authors", "trigger", "tool"];
const APPLICATION_WITH_TARGETS: &[&str] = &["name", "version", "description", "authors", "targets", "trigger", "tool"];
const VARIABLE: &[&str] = &["required", "default", "secret"];
const VARIABLE_WITH_DESCRIPTION: &[&str] = &["description", "required", "default", "secret"];
const TRIGGER: &[&str] = &["id", "component", "components", "route", "executor"];
const TRIGGER_WITH_STATIC: &[&str] = &["id", "component", "components", "static_response", "route", "executor"];
const BUILD: &[&str] = &["command", "workdir", "watch"];

/// What Spin 4.1 accepts in a component; earlier ones accept less.
const COMPONENT: &[&str] = &[
    "source",
    "description",
    "variables",
    "environment",
    "files",
    "exclude_files",
    "allowed_http_hosts",
    "allowed_outbound_hosts",
    "key_value_stores",
    "sqlite_databases",
    "ai_models",
    "build",
    "tool",
    "dependencies_inherit_configuration",
    "dependencies",
    "targets",
    "profile",
];

const SPIN_4_1: Parser = Parser {
    of: "Spin 4.1",
    source: "spinframework/spin 94a8fc8a, which is 4.1.0-pre0, crates/manifest/src/schema and crates/http/src/config.rs",
    top: TOP,
    application: APPLICATION_WITH_TARGETS,
    variable: VARIABLE_WITH_DESCRIPTION,
    trigger: &["id", "component", "components", "dependencies", "static_response", "route", "executor"],
    component: COMPONENT,
    build: BUILD,
};

const PARSERS: [Parser; 4] = [
    Parser {
        of: "the plugin `spin cloud` 0.11, which deploys to Fermyon Cloud",
        source: "fermyon/cloud-plugin v0.11.0 has spin-manifest of spinframework/spin eb9634c5, crates/manifest/src/schema",
        application: APPLICATION,
        variable: VARIABLE,
        trigger: TRIGGER,
        component: COMPONENT.split_at(15).0,
        ..SPIN_4_1
    },
    Parser {
        of: "Spin 3.6",
        source: "spinframework/spin v3.6.3, the same files",
        trigger: TRIGGER_WITH_STATIC,
        component: COMPONENT.split_at(16).0,
        ..SPIN_4_1
    },
    Parser {
        of: "Spin 4.0",
        source: "spinframework/spin v4.0.2, the same files",
        trigger: TRIGGER_WITH_STATIC,
        ..SPIN_4_1
    },
    SPIN_4_1,
];

fn manifest(name: &str) -> Table {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(path).unwrap().parse().unwrap()
}

/// The component that the two builds differ in.
fn api(manifest: &mut Table) -> &mut Table {
    manifest["component"]["api"].as_table_mut().unwrap()
}

#[test]
fn the_two_manifests_differ_in_source_and_build_command_and_nothing_else() {
    let (mut wasip2, mut wasip3) = (manifest(WASIP2), manifest(WASIP3));
    for field in ["source", "command"] {
        let take = |manifest: &mut Table| {
            let table = if field == "source" { api(manifest) } else { api(manifest)["build"].as_table_mut().unwrap() };
            table.insert(field.to_owned(), Value::Boolean(true)).unwrap()
        };
        assert_ne!(take(&mut wasip2), take(&mut wasip3), "{field}");
    }
    assert_eq!(wasip2, wasip3);
}

#[test]
fn a_build_leaves_its_component_where_the_source_says() {
    for (name, target) in [(WASIP2, "target"), (WASIP3, "target/wasip3")] {
        let mut manifest = manifest(name);
        let api = api(&mut manifest);
        assert_eq!(api["source"].as_str().unwrap(), format!("{target}/wasm32-wasip1/release/api_component.wasm"));
        let command = api["build"]["command"].as_str().unwrap();
        assert!(
            command.starts_with("cargo build --target wasm32-wasip1 --release --package api-component"),
            "{command}"
        );
        assert_eq!(command.contains("--target-dir target/wasip3"), name == WASIP3, "{command}");
        assert_eq!(command.contains("--no-default-features --features wasip3"), name == WASIP3, "{command}");
    }
}

#[test]
fn the_page_is_one_component_that_may_connect_to_nothing() {
    for name in [WASIP2, WASIP3] {
        let manifest = manifest(name);
        let route = |component: &str| {
            let triggers = manifest["trigger"]["http"].as_array().unwrap();
            let trigger = triggers.iter().find(|trigger| trigger["component"].as_str() == Some(component)).unwrap();
            trigger["route"].as_str().unwrap().to_owned()
        };
        assert_eq!((route("dashboard"), route("api")), ("/dashboard/...".to_owned(), "/...".to_owned()));
        let page = manifest["component"]["dashboard"].as_table().unwrap();
        assert_eq!(page.keys().collect::<Vec<_>>(), ["build", "source"]);
        assert_eq!(page["source"].as_str().unwrap(), "target/wasm32-wasip1/release/dashboard_component.wasm");
        assert_eq!(
            page["build"]["command"].as_str().unwrap(),
            "cargo build --target wasm32-wasip1 --release --package dashboard-component"
        );
    }
}

#[test]
fn every_host_knows_every_field_of_both() {
    for name in [WASIP2, WASIP3] {
        let manifest = manifest(name);
        for parser in &PARSERS {
            let check = |place: &str, table: &Value, known: &[&str]| {
                for field in table.as_table().unwrap().keys() {
                    let Parser { of, source, .. } = parser;
                    assert!(known.contains(&field.as_str()), "{name}: {of} knows no {place} {field} ({source})");
                }
            };
            check("top level", &Value::Table(manifest.clone()), parser.top);
            check("[application]", &manifest["application"], parser.application);
            for variable in manifest["variables"].as_table().unwrap().values() {
                check("[variables]", variable, parser.variable);
            }
            for trigger in manifest["trigger"]["http"].as_array().unwrap() {
                check("[[trigger.http]]", trigger, parser.trigger);
            }
            for component in manifest["component"].as_table().unwrap().values() {
                check("[component]", component, parser.component);
                check("[component.build]", &component["build"], parser.build);
            }
        }
    }
}

#[test]
fn the_parsers_that_know_no_build_profile_are_told_apart() {
    let know: Vec<_> = PARSERS.iter().filter(|parser| parser.component.contains(&"profile")).collect();
    assert_eq!(know.iter().map(|parser| parser.of).collect::<Vec<_>>(), ["Spin 4.0", "Spin 4.1"]);
}

#[test]
fn the_file_of_variables_has_all_of_them_as_they_are_by_default() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/variables.json");
    let given: std::collections::BTreeMap<String, String> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let declared = manifest(WASIP2)["variables"].as_table().unwrap().clone();
    let declared =
        declared.into_iter().map(|(name, variable)| (name, variable["default"].as_str().unwrap().to_owned()));
    assert_eq!(given, declared.collect());
}
