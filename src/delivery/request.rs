//! What surrounds a delivery's body: the headers that GitHub sends with it, and the two content
//! types that it may have. None of this is signed, so none of it decides what is built.
//!
//! Source: <https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers>

use std::borrow::Cow;

use crate::delivery::rejection::Rejection;
use crate::signature::github::{SIGNATURE_HEADER, Signature, VerifiedBody};

/// The header that names the event.
pub const EVENT_HEADER: &str = "X-GitHub-Event";
/// The header that names the delivery.
pub const DELIVERY_HEADER: &str = "X-GitHub-Delivery";

/// Longest event name accepted, in bytes; GitHub's longest has 40.
const LONGEST_EVENT: usize = 64;

/// GitHub's largest payload, in bytes: 25 MiB
/// (<https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap>).
pub const LARGEST_BODY: usize = 25 * 1024 * 1024;

/// The headers of a delivery, each well formed.
pub struct WebhookHeaders {
    /// What GitHub says the body's signature is.
    pub signature: Signature,
    /// The event's name, such as `push`.
    pub event: String,
    /// The GUID under which GitHub delivers.
    pub delivery: String,
}

impl WebhookHeaders {
    /// Reads the headers through `get`, which takes a name and gives the value, if there is one.
    ///
    /// All that is missing or ill formed is named in one refusal: 401 where the signature is among
    /// it, else 400.
    pub fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, Rejection> {
        let signature_header = get(SIGNATURE_HEADER);
        let signature = signature_header.as_deref().and_then(Signature::parse);
        let event = get(EVENT_HEADER);
        let delivery = get(DELIVERY_HEADER);

        let mut problems = Vec::new();
        match (&signature_header, &signature) {
            (None, _) => problems.push(format!("{SIGNATURE_HEADER} is missing")),
            (Some(_), None) => problems.push(format!(
                "{SIGNATURE_HEADER} is not sha256= and 64 hexadecimal digits in lower case"
            )),
            (Some(_), Some(_)) => {}
        }
        match event.as_deref() {
            None | Some("") => problems.push(format!("{EVENT_HEADER} is missing")),
            Some(event) if !is_event_name(event) => {
                problems.push(format!("{EVENT_HEADER} is not the name of an event"));
            }
            Some(_) => {}
        }
        match delivery.as_deref() {
            None | Some("") => problems.push(format!("{DELIVERY_HEADER} is missing")),
            Some(delivery) if !is_guid(delivery) => {
                problems.push(format!("{DELIVERY_HEADER} is not a GUID"));
            }
            Some(_) => {}
        }

        match (signature, event, delivery) {
            (Some(signature), Some(event), Some(delivery)) if problems.is_empty() => {
                Ok(Self { signature, event, delivery })
            }
            (Some(_), ..) => Err(Rejection::MissingHeader { problems }),
            (None, ..) if signature_header.is_none() => {
                Err(Rejection::MissingSignature { problems })
            }
            (None, ..) => Err(Rejection::IllFormedSignature { problems }),
        }
    }
}

fn is_event_name(event: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    event.len() <= LONGEST_EVENT && event.bytes().all(is_part)
}

/// `8-4-4-4-12` hexadecimal digits.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// The content types that a GitHub webhook can be set to
/// (<https://docs.github.com/en/webhooks/using-webhooks/creating-webhooks>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`: the body is the payload.
    Json,
    /// `application/x-www-form-urlencoded`: the payload is the one field of a form, `payload`.
    Form,
}

/// How a form of GitHub's begins.
const FORM: &[u8] = b"payload=";

impl ContentType {
    /// Reads a `Content-Type` header, whatever its case and parameters (RFC 9110, section 8.3).
    pub fn read(header: Option<String>) -> Result<Self, Rejection> {
        let essence = header.as_deref().and_then(|value| value.split(';').next()).map(str::trim);
        match essence {
            Some(t) if t.eq_ignore_ascii_case("application/json") => Ok(Self::Json),
            Some(t) if t.eq_ignore_ascii_case("application/x-www-form-urlencoded") => {
                Ok(Self::Form)
            }
            _ => Err(Rejection::UnsupportedContentType { content_type: header }),
        }
    }

    /// The JSON payload in a body of this type.
    ///
    /// Errors where the body begins otherwise than GitHub's of this type do. The header is not signed, and text that
    /// outsiders wrote lies in a body that GitHub signed: JSON with `&payload=` in a comment, sent again as a form,
    /// must not mean what the comment says.
    pub fn payload(self, body: &VerifiedBody) -> Result<Cow<'_, [u8]>, Rejection> {
        let body = body.bytes();
        let form = body.strip_prefix(FORM).filter(|value| !value.contains(&b'&'));
        let problem = match (self, form) {
            (Self::Json, _) if body.starts_with(b"{") => return Ok(Cow::Borrowed(body)),
            (Self::Json, _) => "the content type says JSON, and the body does not begin with `{`",
            (Self::Form, Some(_)) => {
                let value = form_urlencoded::parse(body).next().map(|(_, value)| value);
                return Ok(match value.unwrap_or_default() {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                });
            }
            (Self::Form, None) => {
                "the content type says a form, and the body is not the one field `payload`"
            }
        };
        Err(Rejection::MalformedPayload { problem: problem.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signature::github::{WebhookSecrets, sign};

    const GOOD: [(&str, &str); 3] = [
        (
            SIGNATURE_HEADER,
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        (EVENT_HEADER, "push"),
        (DELIVERY_HEADER, "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    ];

    /// Reads `GOOD` with some headers put in place of its own; `None` leaves one out.
    fn read(changes: &[(&str, Option<&str>)]) -> Result<WebhookHeaders, Rejection> {
        WebhookHeaders::read(|name| {
            let changed = changes.iter().find(|(changed, _)| *changed == name);
            let good = GOOD.iter().find(|(good, _)| *good == name).map(|(_, value)| *value);
            changed.map_or(good, |(_, value)| *value).map(str::to_owned)
        })
    }

    fn problems(changes: &[(&str, Option<&str>)]) -> (&'static str, Vec<String>) {
        match read(changes) {
            Ok(_) => ("accepted", vec![]),
            Err(Rejection::MissingHeader { problems }) => ("missing-header", problems),
            Err(Rejection::MissingSignature { problems }) => ("missing-signature", problems),
            Err(Rejection::IllFormedSignature { problems }) => ("ill-formed-signature", problems),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn good_headers_are_read() {
        let headers = read(&[]).map_err(|refusal| format!("{refusal:?}")).unwrap();
        assert_eq!((headers.event.as_str(), headers.delivery.as_str()), (GOOD[1].1, GOOD[2].1));
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let signature = "X-Hub-Signature-256 is missing".to_owned();
        let event = "X-GitHub-Event is missing".to_owned();
        let delivery = "X-GitHub-Delivery is missing".to_owned();
        assert_eq!(
            problems(&[(SIGNATURE_HEADER, None), (EVENT_HEADER, None), (DELIVERY_HEADER, None)]),
            ("missing-signature", vec![signature, event.clone(), delivery.clone()])
        );
        assert_eq!(
            problems(&[(EVENT_HEADER, None), (DELIVERY_HEADER, Some(""))]),
            ("missing-header", vec![event, delivery])
        );
    }

    #[test]
    fn a_legacy_signature_is_no_signature() {
        let sha1 = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59";
        assert_eq!(
            problems(&[(SIGNATURE_HEADER, None), ("X-Hub-Signature", Some(sha1))]).0,
            "missing-signature"
        );
        assert_eq!(problems(&[(SIGNATURE_HEADER, Some(sha1))]).0, "ill-formed-signature");
    }

    #[test]
    fn an_events_name_may_hold_digits() {
        let headers = read(&[(EVENT_HEADER, Some("projects_v2_item"))]).ok().unwrap();
        assert_eq!(headers.event, "projects_v2_item");
    }

    #[test]
    fn ill_formed_events_and_deliveries_are_refused() {
        for event in ["Push", "push event", "push\"", &"x".repeat(65)] {
            assert_eq!(
                problems(&[(EVENT_HEADER, Some(event))]),
                ("missing-header", vec!["X-GitHub-Event is not the name of an event".to_owned()])
            );
        }
        for guid in
            ["1", "72d3162ecc7811e381ab4c9367dc0958", "72d3162e-cc78-11e3-81ab-4c9367dc095g"]
        {
            assert_eq!(
                problems(&[(DELIVERY_HEADER, Some(guid))]),
                ("missing-header", vec!["X-GitHub-Delivery is not a GUID".to_owned()])
            );
        }
    }

    #[test]
    fn content_types_are_compared_without_case_and_parameters() {
        for (header, expected) in [
            ("application/json", ContentType::Json),
            ("application/json; charset=utf-8", ContentType::Json),
            ("Application/JSON ;charset=utf-8", ContentType::Json),
            ("application/x-www-form-urlencoded", ContentType::Form),
            ("application/x-www-form-urlencoded; charset=UTF-8", ContentType::Form),
        ] {
            assert_eq!(ContentType::read(Some(header.into())).ok(), Some(expected), "{header}");
        }
        for header in [None, Some(""), Some("text/plain"), Some("application/jsonp"), Some("json")]
        {
            assert!(
                matches!(
                    ContentType::read(header.map(str::to_owned)),
                    Err(Rejection::UnsupportedContentType { .. })
                ),
                "{header:?}"
            );
        }
    }

    fn verified(body: &[u8]) -> VerifiedBody {
        let secrets = WebhookSecrets::new(Some("secret".into()), None, false).unwrap();
        let signature = Signature::parse(&sign(&"secret".to_owned().into(), body)).unwrap();
        secrets.verify_here(body, &signature).unwrap()
    }

    #[test]
    fn the_payload_is_the_body_or_the_forms_field() {
        let json = br#"{"a": "b&c = d"}"#;
        assert_eq!(&*ContentType::Json.payload(&verified(json)).unwrap(), json);
        let form = b"payload=%7B%22a%22%3A+%22b%26c+%3D+d%22%7D";
        assert_eq!(&*ContentType::Form.payload(&verified(form)).unwrap(), json);
    }

    #[test]
    fn no_content_type_changes_what_signed_bytes_mean() {
        let malformed = |content_type: ContentType, body: &[u8]| {
            let body = verified(body);
            let payload = content_type.payload(&body);
            matches!(payload, Err(Rejection::MalformedPayload { .. }))
        };
        for json in [&br#"{"comment":"x&payload=%7B%7D&y"}"#[..], br#"{"a":1}"#, b"{"] {
            assert!(malformed(ContentType::Form, json));
            assert!(!malformed(ContentType::Json, json));
        }
        assert!(malformed(ContentType::Json, b"payload=%7B%7D"));
        for neither in [
            &b""[..],
            b"payloads=1",
            b"x=1&payload=%7B%7D",
            b"payload=%7B%7D&x=1",
            b"payload=%7B%7D&",
            b" payload=%7B%7D",
            b" {}",
            b"[]",
        ] {
            assert!(malformed(ContentType::Form, neither), "{neither:?}");
            assert!(malformed(ContentType::Json, neither), "{neither:?}");
        }
    }

    proptest! {
        #[test]
        fn no_headers_and_no_bytes_panic(
            signature: Option<String>, event: Option<String>, delivery: Option<String>,
            content_type: Option<String>, body: Vec<u8>,
        ) {
            let _ = read(&[
                (SIGNATURE_HEADER, signature.as_deref()),
                (EVENT_HEADER, event.as_deref()),
                (DELIVERY_HEADER, delivery.as_deref()),
            ]);
            let _ = ContentType::read(content_type);
            let _ = ContentType::Form.payload(&verified(&body));
        }
    }
}
