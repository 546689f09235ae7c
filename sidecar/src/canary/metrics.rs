//! The canary's latest run as metrics: sidecars have it from the messenger, and the canary itself knows it at first
//! hand. There are none where no canary runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use sidecar_api::{Canary, CanaryReport};
use tokio::time::Instant;

/// The latest run.
#[derive(Clone, Debug, Default)]
pub(crate) struct LatestRun(Arc<Mutex<Option<Reported>>>);

#[derive(Debug)]
struct Reported {
    canary: Canary,
    at: Instant,
}

impl LatestRun {
    /// Takes a run that has just ended.
    pub(super) fn ended(&self, report: CanaryReport) {
        self.set(Some(&Canary { age: 0, report }));
    }

    /// Takes a report of the messenger. Without a newer one, the age goes on growing.
    pub(crate) fn set(&self, canary: Option<&Canary>) {
        let reported = canary.map(|canary| Reported {
            canary: canary.clone(),
            at: Instant::now(),
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reported;
    }
}

impl Collector for LatestRun {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Reported { canary, at }) = &*latest else {
            return Ok(());
        };
        let age = Duration::from_millis(canary.age.try_into().unwrap_or_default()) + at.elapsed();
        let gauge = MetricType::Gauge;
        let metric = encoder.encode_descriptor(
            "canary_age",
            "Time since the canary's latest run",
            Some(&Unit::Seconds),
            gauge,
        )?;
        ConstGauge::new(age.as_secs_f64()).encode(metric)?;

        let failed_step = canary.report.failed_step.as_deref();
        let metric =
            encoder.encode_descriptor("canary_ok", "Whether it walked the whole path", None, gauge)?;
        ConstGauge::new(i64::from(failed_step.is_none())).encode(metric)?;

        let mut steps = encoder.encode_descriptor(
            "canary_step",
            "How long each step took",
            Some(&Unit::Seconds),
            gauge,
        )?;
        for step in &canary.report.steps {
            let labels = [("step", step.name.as_str())];
            let took = Duration::from_millis(step.milliseconds);
            ConstGauge::new(took.as_secs_f64()).encode(steps.encode_family(&labels)?)?;
        }

        if let Some(step) = failed_step {
            let labels = [("step", step)];
            let mut failed =
                encoder.encode_descriptor("canary_failed", "The step that failed", None, gauge)?;
            ConstGauge::new(1_i64).encode(failed.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_age_grows_while_no_report_comes() {
        let latest = LatestRun::default();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(latest.clone()));
        latest.set(Some(&Canary {
            age: 12_000,
            report: CanaryReport {
                failed_step: None,
                steps: Vec::new(),
            },
        }));
        advance(Duration::from_secs(90)).await;
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("\ncanary_age_seconds 102.0\n"), "{text}");
    }
}
