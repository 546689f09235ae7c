//! Dependencies. The probe has one, so every test that starts the probe also tests composition.

use crate::support::{Setup, wasm};

fn depending(name: &str, settings: &str) -> Setup {
    let probe = wasm("probe");
    Setup::new()
        .triggers(crate::support::trigger("/...", "dependent"))
        .sections(&format!(
            "[component.dependent]\nsource = {probe:?}\ndependencies_inherit_configuration = true\n\
         [component.dependent.dependencies]\n{name:?} = {{ path = {:?}{settings} }}",
            wasm("probe_dependency")
        ))
}

/// `crates/compose/src/lib.rs`, `matches_import`: by interface or by package, with the version or without.
#[tokio::test]
async fn a_dependency_is_named_after_what_it_is_for() {
    for name in [
        "mayday:probe",
        "mayday:probe@0.1.0",
        "mayday:probe/greeting",
        "mayday:probe/greeting@0.1.0",
    ] {
        let host = depending(name, "").start();
        assert_eq!(host.get("/greet?name=Ada").await, "Hello, Ada!", "{name}");
    }
}

/// `crates/compose/src/lib.rs`, `build_instantiation_arguments`.
#[tokio::test]
async fn an_export_can_be_named() {
    let host = depending(
        "mayday:probe/greeting",
        ", export = \"mayday:probe/greeting@0.1.0\"",
    )
    .start();
    assert_eq!(host.get("/greet?name=Ada").await, "Hello, Ada!");
}

/// `crates/compose/src/lib.rs`, `ComposeError`; `crates/manifest/src/schema/v2.rs`, `ensure_package_names_no_export`.
#[test]
fn dependencies_that_fit_nothing_are_refused() {
    for (name, settings, expected) in [
        ("mayday:other", "", "doesn't match any imports"),
        ("mayday:probe@0.2.0", "", "doesn't match any imports"),
        (
            "mayday:probe/greeting",
            ", export = \"mayday:probe/other\"",
            "doesn't export 'mayday:probe/other'",
        ),
        (
            "mayday:probe",
            ", export = \"x\"",
            "an export cannot satisfy the package dependency",
        ),
        (
            "mayday:probe",
            ", version = \"1\"",
            "only { path, export } is supported",
        ),
    ] {
        let refusal = depending(name, settings).refusal();
        assert!(refusal.contains(expected), "{name}: {refusal}");
    }
}

/// `crates/compose/src/lib.rs`, `prepare_dependencies`.
#[test]
fn two_dependencies_for_one_import_are_refused() {
    let again = format!("\"mayday:probe\" = {{ path = {:?} }}", wasm("probe_dependency"));
    let refusal = depending("mayday:probe/greeting", "").sections(&again).refusal();
    assert!(refusal.contains("dependency conflicts"), "{refusal}");
}

/// `crates/compose/src/lib.rs`, `register_dependency`: with inheritance the dependency uses what its dependent may.
#[tokio::test]
async fn an_inheriting_dependency_gets_the_configuration_of_its_dependent() {
    let host = Setup::new().component("environment = { A = \"1\" }").start();
    assert_eq!(host.get("/dependency-environment?name=A").await, "Some(\"1\")\n");
    let denied = host.get("/dependency-fetch?authority=127.0.0.1:1").await;
    assert_eq!(denied, "Err(\"ErrorCode::HttpRequestDenied\")\n");
    let host = Setup::new()
        .component("allowed_outbound_hosts = [\"http://other.spin.internal\"]")
        .other("other", "")
        .start();
    assert_eq!(
        host.get("/dependency-fetch?authority=other.spin.internal").await,
        "Ok(200)\n"
    );
}

/// Spin 4 denies everything to a dependency that does not inherit (`crates/compose/src/lib.rs`,
/// `apply_deny_all_adapter`). The host has no such adapter and says so.
#[test]
fn a_dependency_that_would_need_to_be_denied_is_refused() {
    let refusal = Setup::new().without_inheritance().refusal();
    for expected in [
        "wasi:cli/environment",
        "wasi:http/outgoing-handler",
        "dependencies_inherit_configuration",
    ] {
        assert!(refusal.contains(expected), "{expected} is not in: {refusal}");
    }
}
