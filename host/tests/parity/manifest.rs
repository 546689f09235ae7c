//! Applications that the host refuses to load. The error lists every reason.

use crate::support::{Setup, trigger, wasm};

/// Not a rule of Spin's: the host names everything that it does not support.
#[test]
fn everything_unsupported_is_named_in_one_message() {
    let refusal = Setup::new()
        .component("files = [\"a\"]\nai_models = [\"llama\"]\nai_model = 1")
        .sections(
            "[[trigger.cron]]\n[trigger.http.x]\n"
                .split_once("[trigger.http.x]")
                .unwrap()
                .0,
        )
        .sections(
            "[application.trigger.cron]\n[component.other]\nsource = { url = \"http://x\", digest = \"y\" }",
        )
        .runtime("[llm_compute]\ntype = \"spin\"\n[key_value_store.x]\ntype = \"azure_cosmos\"\n")
        .refusal();
    for expected in [
        "\"files\"",
        "\"ai_models\"",
        "\"ai_model\"",
        "\"cron\"",
        "\"other\"",
        "llm_compute",
        "azure_cosmos",
    ] {
        assert!(refusal.contains(expected), "{expected} is not in: {refusal}");
    }
}

/// `crates/manifest/src/schema/v2.rs`: an empty list asks for nothing, and what builds an application does not run it.
#[tokio::test]
async fn manifest_keys_without_effect_are_accepted() {
    Setup::new()
        .component(
            "files = []\ndescription = \"d\"\nbuild = { command = \"make\" }\ntool = { x = { y = 1 } }",
        )
        .start();
}

/// `crates/factor-sqlite/src/lib.rs`, `ensure_allowed_databases_are_configured`; `crates/factor-key-value/src/lib.rs`,
/// `configure_app`; `crates/expressions/src/lib.rs`, `ensure_required_variables_resolvable`.
#[test]
fn all_missing_configuration_is_reported_in_one_message() {
    let refusal = Setup::new()
        .component("sqlite_databases = [\"nowhere\"]\nkey_value_stores = [\"neither\"]")
        .sections("[variables]\nneeded = { required = true }\nalso_needed = { required = true }")
        .refusal();
    for expected in ["\"nowhere\"", "\"neither\"", "\"needed\"", "\"also_needed\""] {
        assert!(refusal.contains(expected), "{expected} is not in: {refusal}");
    }
}

/// `crates/factors-executor/src/lib.rs`, `load_app`: an import that nothing satisfies is an error at the start.
#[test]
fn an_import_that_nothing_satisfies_is_named() {
    let setup = Setup::new().triggers(trigger("/...", "alone"));
    let alone = format!("[component.alone]\nsource = {:?}", wasm("probe"));
    let refusal = setup.sections(&alone).refusal();
    assert!(refusal.contains("mayday:probe/greeting@0.1.0"), "{refusal}");
}

/// `crates/app/src/lib.rs`, `retain_components`.
#[tokio::test]
async fn only_selected_components_are_loaded() {
    let setup = Setup::new().sections(&trigger("/broken", "broken"));
    let setup = setup.sections("[component.broken]\nsource = \"nowhere.wasm\"");
    let host = setup
        .options(|options| options.components.push("probe".to_owned()))
        .start();
    assert_eq!(host.get("/echo").await, "");
    let refusal = Setup::new()
        .options(|options| options.components.push("nobody".to_owned()))
        .refusal();
    assert!(
        refusal.contains("Specified component \"nobody\" not found"),
        "{refusal}"
    );
}

/// `crates/factor-outbound-networking/src/allowed_hosts.rs`, `validate_service_chaining_for_components`.
#[test]
fn a_selected_component_cannot_chain_to_one_that_is_not_selected() {
    for host in ["http://other.spin.internal", "http://*.spin.internal"] {
        let refusal = Setup::new()
            .component(&format!("allowed_outbound_hosts = [{host:?}]"))
            .other("other", "")
            .options(|options| options.components.push("probe".to_owned()))
            .refusal();
        assert!(refusal.contains("service chaining"), "{refusal}");
    }
}

/// `crates/loader/src/local.rs`, `locked_variable`; `crates/expressions/src/lib.rs`, `Key::validate` and
/// `validate_template`.
#[test]
fn variables_are_checked() {
    let refusal = Setup::new()
        .sections("[variables]\nboth = { required = true, default = \"\" }\nBad = { default = \"\" }")
        .sections("[component.probe.variables]\nx = \"{{ unknown }}\"")
        .refusal();
    for expected in [
        "\"both\"",
        "invalid variable name",
        "unknown variable \"unknown\"",
    ] {
        assert!(refusal.contains(expected), "{expected} is not in: {refusal}");
    }
}

/// `crates/outbound-networking-config/src/allowed_hosts.rs`, `AllowedHostsConfig::validate`.
#[test]
fn allowed_hosts_are_checked_with_their_templates_filled_in() {
    let refusal = Setup::new()
        .component("allowed_outbound_hosts = [\"{{ url }}\"]")
        .sections("[variables]\nurl = { default = \"no-scheme\" }")
        .refusal();
    assert!(refusal.contains("no-scheme"), "{refusal}");
}
