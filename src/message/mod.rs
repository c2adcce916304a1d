//! What the stories say to one another over queues.

pub mod build_request;
