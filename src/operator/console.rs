//! The console's page: what a browser is given for `GET /-/`. All that it shows it asks the operator's routes for, so the page
//! itself is the same for everybody, and tells nothing.

/// What the page may load and do: its own files, and nothing that is written into it
/// (<https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CSP>).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The page.
pub const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>buildgate</title>
<link rel="icon" href="/-/assets/icon.svg">
<link rel="stylesheet" href="/-/assets/console.css">
<script type="module" src="/-/assets/console.js"></script>
</head>
<body>
<div id="console"><noscript>The console needs JavaScript. What it shows is also at /-/deliveries, /-/builds and the other operator routes, as JSON.</noscript></div>
</body>
</html>
"#;
