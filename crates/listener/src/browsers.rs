use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

/// The header in which the proxy that ends TLS reports the client's scheme. It may be `wss` for sockets.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The same as of the services' answers (`service::door`).
pub(crate) const HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Tells browsers that an answer is neither to be stored nor to be shown as a page, unless it says otherwise itself.
pub fn restrict_browsers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The policy that makes browsers use HTTPS only.
#[derive(Clone, Debug, Default)]
pub struct StrictTransport(Option<HeaderValue>);

impl StrictTransport {
    /// `policy` is the header's value. If it is empty or invalid, no answer has the header.
    pub fn new(policy: &str) -> StrictTransport {
        let policy = policy.trim();
        let value = HeaderValue::from_str(policy).ok();
        StrictTransport(value.filter(|_| !policy.is_empty()))
    }

    /// The header's value in the answer to a request with these headers. The header may be sent only over HTTPS (RFC
    /// 6797, 7.2).
    pub fn policy_for(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let scheme = request.get_all(FORWARDED_PROTO).iter().next_back()?;
        self.0.clone().filter(|_| scheme == "https" || scheme == "wss")
    }
}

/// Adds the policy to an answer that does not have the header yet.
pub fn require_https(answer: &mut HeaderMap, policy: Option<HeaderValue>) {
    if let Some(policy) = policy {
        answer.entry(STRICT_TRANSPORT_SECURITY).or_insert(policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_for(strict: &StrictTransport, schemes: &[&'static str]) -> Option<HeaderValue> {
        let mut request = HeaderMap::new();
        for scheme in schemes {
            request.append(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        }
        strict.policy_for(&request)
    }

    #[test]
    fn the_nearest_proxy_says_whether_a_client_came_by_https() {
        let year = HeaderValue::from_static("max-age=31536000");
        let strict = StrictTransport::new(" max-age=31536000 ");
        for schemes in [&["https"][..], &["wss"], &["http", "https"]] {
            assert_eq!(policy_for(&strict, schemes).as_ref(), Some(&year), "{schemes:?}");
        }
        for schemes in [&[][..], &["http"], &["ws"], &["https", "http"]] {
            assert_eq!(policy_for(&strict, schemes), None, "{schemes:?}");
        }
    }

    #[test]
    fn without_a_policy_browsers_are_told_nothing() {
        for policy in ["", " ", "max-age=1\nx"] {
            assert_eq!(
                policy_for(&StrictTransport::new(policy), &["https"]),
                None,
                "{policy:?}"
            );
        }
    }

    #[test]
    fn the_policy_of_an_answer_stays() {
        let own = HeaderValue::from_static("max-age=0");
        let mut answer = HeaderMap::from_iter([(STRICT_TRANSPORT_SECURITY, own.clone())]);
        require_https(&mut answer, Some(HeaderValue::from_static("max-age=1")));
        assert_eq!(answer[STRICT_TRANSPORT_SECURITY], own);
    }
}
