//! Configuration mistakes, gathered so that all are reported at once.

use anyhow::bail;

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Notes one mistake.
    pub(crate) fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// The value, or none and its error noted.
    pub(crate) fn check<T>(&mut self, result: anyhow::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(format!("{error:#}"))).ok()
    }

    /// Fails with every mistake, if there is any.
    pub(crate) fn into_result(mut self) -> anyhow::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.dedup();
        bail!("the application cannot run here:\n  - {}", self.0.join("\n  - "))
    }
}
