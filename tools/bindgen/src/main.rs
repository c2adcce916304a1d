//! Makes a module of JavaScript and wasm of what cargo has compiled, as the command `wasm-bindgen` does, whose
//! library this is: it takes a sixth of the command's time to compile, and its version is that of Cargo.lock.
//!
//! ```sh
//! cargo run --package bindgen -- target/wasm32-unknown-unknown/release/buildgate.wasm FOLDER
//! ```

use std::env::args;
use std::error::Error;
use std::fs;
use std::path::Path;

use wasm_bindgen_cli_support::Bindgen;

/// How wasm-bindgen imports the compiled wasm, by a proposal (<https://github.com/tc39/proposal-source-phase-imports>)
/// that a Worker's bundlers do not all know, and how a Worker does
/// (<https://developers.cloudflare.com/workers/runtime-apis/webassembly/javascript/#bundling>).
const IMPORTS: (&str, &str) = ("import source wasmModule from ", "import wasmModule from ");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = args().skip(1).collect();
    let [wasm, folder] = arguments.as_slice() else {
        return Err("usage: bindgen WASM FOLDER".into());
    };
    Bindgen::new()
        .input_path(wasm)
        .out_name("index")
        .module(true)?
        .typescript(false)
        // After a panic, the entry gives the next event a new instance.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(folder)?;

    let module = Path::new(folder).join("index.js");
    let text = fs::read_to_string(&module)?;
    if text.matches(IMPORTS.0).count() != 1 {
        return Err(format!("{} does not import the wasm as expected", module.display()).into());
    }
    fs::write(&module, text.replace(IMPORTS.0, IMPORTS.1))?;
    Ok(())
}
