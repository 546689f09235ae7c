//! Variables and where they come from.

use crate::support::Setup;

const VARIABLES: &str = "[variables]
plain = { default = \"default\" }
[component.probe.variables]
mine = \"<{{ plain }}>\"";

/// `crates/expressions/src/lib.rs`, `resolve_template`; `crates/factor-variables/src/host.rs`, `get`.
#[tokio::test]
async fn a_component_sees_the_variables_it_was_given() {
    let host = Setup::new().sections(VARIABLES).start();
    assert_eq!(host.get("/variable?name=mine").await, "Ok(\"<default>\")\n");
}

/// The same place: the application's own are not the component's, and each error has its variant.
#[tokio::test]
async fn other_names_are_undefined_or_invalid() {
    let host = Setup::new().sections(VARIABLES).start();
    let undefined = "Err(Error::Undefined(\"no variable for \\\"probe\\\".\\\"plain\\\"\"))\n";
    assert_eq!(host.get("/variable?name=plain").await, undefined);
    let invalid = host.get("/variable?name=Upper").await;
    assert!(
        invalid.starts_with("Err(Error::InvalidName(\"\\\"Upper\\\": invalid character 'U'."),
        "{invalid}"
    );
}

/// `crates/runtime-factors/src/build.rs`, `build` (flags first); `crates/runtime-config/src/variables.rs` (then the
/// file's).
#[tokio::test]
async fn flags_come_before_the_runtime_configuration_and_that_before_defaults() {
    let runtime = "[[variables_provider]]\ntype = \"static\"\nvalues = { plain = \"file\" }";
    let host = Setup::new().sections(VARIABLES).runtime(runtime).start();
    assert_eq!(host.get("/variable?name=mine").await, "Ok(\"<file>\")\n");
    let host = Setup::new()
        .sections(VARIABLES)
        .runtime(runtime)
        .variable("plain", "flag")
        .start();
    assert_eq!(host.get("/variable?name=mine").await, "Ok(\"<flag>\")\n");
}

/// `crates/variables-static/src/source.rs`.
#[tokio::test]
async fn flags_can_name_files() {
    for (flag, content) in [("plain=@", "from-file"), ("@", "{\"plain\": \"from-file\"}")] {
        let setup = Setup::new().sections(VARIABLES);
        let path = setup.dir.path().join("values.json");
        std::fs::write(&path, content).unwrap();
        let source = format!("{flag}{}", path.display()).parse().unwrap();
        let host = setup.options(|options| options.variables.push(source)).start();
        assert_eq!(host.get("/variable?name=mine").await, "Ok(\"<from-file>\")\n");
    }
}
