//! The text that Prometheus scrapes.
//!
//! prometheus-client writes OpenMetrics. A scraper that does not ask for that gets the classic text,
//! for which the names in `# HELP` and `# TYPE` of counters have to carry `_total` like their samples.

use std::fmt;
use std::sync::Arc;

use ebbd_core::model::Reason;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::telemetry::Telemetry;
use crate::telemetry::cell::Value;
use crate::telemetry::latency::{BUCKETS_S, Latency};
use crate::telemetry::stages::{Reading, Readings};

/// Which text a scraper gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// `text/plain; version=0.0.4`, what everything understands.
    Classic,
    /// `application/openmetrics-text; version=1.0.0`, for those that ask.
    OpenMetrics,
}

impl TextFormat {
    /// What a scraper with this `Accept` header wants.
    pub fn wanted(accept: &str) -> TextFormat {
        if accept.contains("application/openmetrics-text") {
            TextFormat::OpenMetrics
        } else {
            TextFormat::Classic
        }
    }

    /// The `Content-Type` to answer with.
    pub fn content_type(self) -> &'static str {
        match self {
            TextFormat::Classic => "text/plain; version=0.0.4; charset=utf-8",
            TextFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes the figures of one [`Telemetry`].
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
}

impl Exposition {
    /// The exposition of `telemetry`.
    pub fn new(telemetry: Arc<Telemetry>) -> Exposition {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Figures(telemetry)));
        Exposition { registry }
    }

    /// The present figures as text.
    pub fn text(&self, format: TextFormat) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing to a string does not fail");
        match format {
            TextFormat::OpenMetrics => text,
            TextFormat::Classic => classic(&text),
        }
    }
}

/// OpenMetrics text as the classic one: `_total` in the descriptors of counters, no units, no end mark.
fn classic(text: &str) -> String {
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(text.len() + 16 * counters.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                out.push_str(&format!("# {what} {name}_total {rest}\n"));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[derive(Debug)]
struct Figures(Arc<Telemetry>);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let telemetry = &*self.0;
        build_info(&mut encoder)?;
        rejects(&mut encoder, telemetry)?;
        answers(&mut encoder, telemetry)?;
        protocol_errors(&mut encoder, telemetry)?;
        let single: [&dyn Readings; 9] = [
            &*telemetry.daemon,
            &*telemetry.senders,
            &*telemetry.committer,
            &*telemetry.judge,
            &*telemetry.journal,
            &*telemetry.store,
            &*telemetry.alarm_socket,
            &*telemetry.http,
            &*telemetry.control,
        ];
        for stage in single {
            families(&mut encoder, "", &[(String::new(), stage.readings())])?;
        }
        let sources = telemetry.sources.iter().map(|(name, figures)| (name.clone(), figures.readings()));
        families(&mut encoder, "source", &sources.collect::<Vec<_>>())?;
        let streams = telemetry.streams.iter().map(|(name, figures)| (name.clone(), figures.readings()));
        families(&mut encoder, "stream", &streams.collect::<Vec<_>>())?;
        families(&mut encoder, "outlet", &telemetry.outlets.readings())?;
        let lanes = telemetry.lanes.iter().enumerate();
        let lanes = lanes.map(|(at, figures)| (at.to_string(), figures.readings()));
        families(&mut encoder, "lane", &lanes.collect::<Vec<_>>())?;
        let queues = telemetry.latencies.queues.iter().enumerate();
        let queues: Vec<_> = queues.map(|(lane, latency)| (lane.to_string(), latency)).collect();
        histograms(&mut encoder, "lane", &queues)?;
        let single = telemetry.latencies.all();
        single.iter().try_for_each(|(_, latency)| histograms(&mut encoder, "", &[(String::new(), latency)]))
    }
}

fn build_info(encoder: &mut DescriptorEncoder) -> fmt::Result {
    let help = "Always 1; which ebbd this is.";
    let mut family = encoder.encode_descriptor("ebbd_build_info", help, None, MetricType::Gauge)?;
    let labels = [("version", env!("CARGO_PKG_VERSION"))];
    sample(&mut family.encode_family(&labels)?, Value::Gauge(1.0))
}

fn rejects(encoder: &mut DescriptorEncoder, telemetry: &Telemetry) -> fmt::Result {
    let help = "Lines refused, by reason.";
    let mut family = encoder.encode_descriptor("ebbd_rejected_lines", help, None, MetricType::Counter)?;
    for reason in Reason::ALL {
        let labels = [("reason", reason.name())];
        sample(&mut family.encode_family(&labels)?, Value::Counter(telemetry.rejects.of(reason).get()))?;
    }
    Ok(())
}

fn answers(encoder: &mut DescriptorEncoder, telemetry: &Telemetry) -> fmt::Result {
    let help = "Requests answered over HTTP, by status.";
    let counter = MetricType::Counter;
    let mut family = encoder.encode_descriptor("ebbd_source_http_requests", help, None, counter)?;
    for (source, answers) in &telemetry.answers {
        for (status, count) in answers.get() {
            let labels = [("source", source.as_str()), ("status", status)];
            sample(&mut family.encode_family(&labels)?, Value::Counter(count))?;
        }
    }
    Ok(())
}

fn protocol_errors(encoder: &mut DescriptorEncoder, telemetry: &Telemetry) -> fmt::Result {
    let help = "Conversations with acknowledged senders that ended by an error.";
    let mut family = encoder.encode_descriptor("ebbd_acked_errors", help, None, MetricType::Counter)?;
    for (error, count) in telemetry.protocol_errors.get() {
        sample(&mut family.encode_family(&[("error", error)])?, Value::Counter(count))?;
    }
    Ok(())
}

/// One family per figure, with one sample per instance, labelled unless `label` is empty.
fn families(
    encoder: &mut DescriptorEncoder,
    label: &str,
    instances: &[(String, Vec<Reading>)],
) -> fmt::Result {
    let Some((_, first)) = instances.first() else { return Ok(()) };
    for (at, reading) in first.iter().enumerate() {
        let mut family = encoder.encode_descriptor(reading.name, reading.help, None, kind(reading.value))?;
        for (name, readings) in instances {
            if label.is_empty() {
                sample(&mut family, readings[at].value)?;
            } else {
                sample(&mut family.encode_family(&[(label, name.as_str())])?, readings[at].value)?;
            }
        }
    }
    Ok(())
}

fn kind(value: Value) -> MetricType {
    match value {
        Value::Counter(_) => MetricType::Counter,
        Value::Gauge(_) => MetricType::Gauge,
    }
}

fn sample(encoder: &mut MetricEncoder, value: Value) -> fmt::Result {
    match value {
        Value::Counter(count) => encoder.encode_counter::<NoLabelSet, u64, u64>(&count, None),
        Value::Gauge(number) => encoder.encode_gauge(&number),
    }
}

/// One family, with one histogram per instance, labelled unless `label` is empty.
fn histograms(encoder: &mut DescriptorEncoder, label: &str, instances: &[(String, &Latency)]) -> fmt::Result {
    let Some((_, first)) = instances.first() else { return Ok(()) };
    let mut family = encoder.encode_descriptor(first.name, first.help, None, MetricType::Histogram)?;
    for (name, latency) in instances {
        if label.is_empty() {
            histogram(&mut family, latency)?;
        } else {
            histogram(&mut family.encode_family(&[(label, name.as_str())])?, latency)?;
        }
    }
    Ok(())
}

fn histogram(encoder: &mut MetricEncoder, latency: &Latency) -> fmt::Result {
    let summary = latency.summary();
    let bounds = BUCKETS_S.iter().copied().chain([f64::MAX]);
    let buckets: Vec<(f64, u64)> = bounds.zip(summary.buckets).collect();
    encoder.encode_histogram::<NoLabelSet>(summary.sum_s, summary.count, &buckets, None)
}

#[cfg(test)]
mod tests;
