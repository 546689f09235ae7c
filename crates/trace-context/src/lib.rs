//! The id that follows a request through all processes: the header `traceparent` of W3C Trace Context, level 1.
//!
//! Whoever receives a request takes the context that it brings, or makes one if there is none or it is malformed, and
//! sends it on with every call that belongs to the request.

use std::fmt;

/// The name of the header.
pub const HEADER: &str = "traceparent";

/// A vendor's part of a trace context. It is void without a valid `traceparent`.
pub const STATE_HEADER: &str = "tracestate";

/// A request's place in its trace. Displayed, it is the value of the header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceContext {
    trace: TraceId,
    span: SpanId,
    is_sampled: bool,
}

/// What all spans of a trace have in common. Displayed, it is 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceId(pub u128);

/// One call or request within a trace. Displayed, it is 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpanId(pub u64);

impl TraceContext {
    /// The beginning of a new trace.
    pub fn begin() -> TraceContext {
        TraceContext {
            trace: TraceId(u128::from_ne_bytes(random())),
            span: SpanId::random(),
            is_sampled: true,
        }
    }

    /// Reads the header of a request, whose values must be one.
    pub fn read<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<TraceContext> {
        let mut values = values.into_iter();
        let value = values.next()?;
        match values.next() {
            Some(_) => None,
            None => TraceContext::parse(value),
        }
    }

    /// Parses `00-<trace id>-<span id>-<flags>`. A higher version may have more behind that.
    fn parse(value: &[u8]) -> Option<TraceContext> {
        const LENGTH: usize = 55;
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let is_dashed = [2, 35, 52].iter().all(|&place| known[place] == b'-');
        let version = hexadecimal(&known[..2])?;
        let ends_well = match version {
            0 => rest.is_empty(),
            _ => version != 0xff && rest.first().is_none_or(|first| *first == b'-'),
        };
        let trace = hexadecimal(&known[3..35])?;
        let span = u64::try_from(hexadecimal(&known[36..52])?).ok()?;
        let flags = hexadecimal(&known[53..])?;
        (is_dashed && ends_well && trace != 0 && span != 0).then_some(TraceContext {
            trace: TraceId(trace),
            span: SpanId(span),
            is_sampled: flags & 1 == 1,
        })
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn child(self) -> TraceContext {
        TraceContext {
            span: SpanId::random(),
            ..self
        }
    }

    pub fn trace(self) -> TraceId {
        self.trace
    }

    pub fn span(self) -> SpanId {
        self.span
    }

    /// Whether whoever began the trace wants its spans kept.
    pub fn is_sampled(self) -> bool {
        self.is_sampled
    }
}

impl SpanId {
    fn random() -> SpanId {
        SpanId(u64::from_ne_bytes(random()))
    }
}

fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    // Neither the sandbox nor a system that has started can lack random numbers. An id must not be zero.
    getrandom::fill(&mut bytes).expect("random numbers");
    bytes[0] |= 1;
    bytes
}

/// Lower-case digits only, as the specification has it.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let text = std::str::from_utf8(digits).ok()?;
    digits
        .iter()
        .all(is_digit)
        .then(|| u128::from_str_radix(text, 16).ok())?
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(formatter, "00-{}-{}-{flags:02x}", self.trace, self.span)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(value: &str) -> Option<TraceContext> {
        TraceContext::read([value.as_bytes()])
    }

    #[test]
    fn a_context_is_written_as_it_was_read() {
        for value in [
            VALID,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-00000000000000000000000000000001-0000000000000001-01",
        ] {
            assert_eq!(parse(value).unwrap().to_string(), value);
        }
        let made = TraceContext::begin();
        assert_eq!(parse(&made.to_string()), Some(made));
    }

    #[test]
    fn a_higher_version_may_have_more() {
        let known = parse(VALID);
        for value in [
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-will-come",
        ] {
            assert_eq!(parse(value), known, "{value}");
        }
    }

    #[test]
    fn a_malformed_context_is_none() {
        for value in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319ż-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
        let twice = [VALID.as_bytes(), VALID.as_bytes()];
        assert_eq!(TraceContext::read(twice), None);
    }

    #[test]
    fn a_child_is_another_span_of_the_same_trace() {
        let parent = TraceContext::begin();
        let child = parent.child();
        assert_eq!(child.trace(), parent.trace());
        assert_ne!(child.span(), parent.span());
    }
}
