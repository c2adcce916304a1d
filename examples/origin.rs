//! A local origin: prints each build request as it arrives. `npm start` runs it beside the gate.

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

const ADDRESS: &str = "127.0.0.1:8788";

async fn build(Json(build_request): Json<serde_json::Value>) -> StatusCode {
    println!("build request: {build_request}");
    StatusCode::ACCEPTED
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(ADDRESS).await?;
    println!("waiting for build requests on http://{ADDRESS}/builds");
    axum::serve(listener, Router::new().route("/builds", post(build))).await
}
