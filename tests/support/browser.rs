//! A browser: Chromium, driven by its DevTools. The one that is installed, or else the one that comes as an npm package.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Page};
use headless_chrome::{LaunchOptions, Tab};
use serde_json::Value;

use super::fixtures::PROJECT;
use super::gate::{PATIENCE, path_with_node};

/// What an installed Chromium is called.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A browser with one tab.
pub struct Browser {
    tab: Arc<Tab>,
    errors: Arc<Mutex<Vec<String>>>,
    size: (u32, u32),
    _browser: headless_chrome::Browser,
}

/// A Chromium, and what its processes need in their environment: found once, for two that unpack the npm package's at the
/// same time would be in each other's way.
static CHROMIUM: LazyLock<(PathBuf, Option<HashMap<String, String>>)> = LazyLock::new(chromium);

fn chromium() -> (PathBuf, Option<HashMap<String, String>>) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if let Some(program) = installed {
        return (program, None);
    }
    // Unpacked into the folder for temporary files, with the libraries that it needs.
    let unpack = "import('@sparticuz/chromium').then(async ({ default: chromium, inflate, setupLambdaEnvironment }) => {
        const program = await chromium.executablePath();
        console.log(program);
      });";
    let unpacked = Command::new("node")
        .current_dir(Path::new(PROJECT).join("tests/e2e"))
        .env("PATH", path_with_node())
        // By this it unpacks the libraries, too.
        .env("AWS_LAMBDA_JS_RUNTIME", "nodejs22.x")
        .args(["--input-type=module", "--eval", unpack])
        .output();
    let unpacked = unpacked.expect("node is among the npm packages");
    let program = PathBuf::from(String::from_utf8_lossy(&unpacked.stdout).trim());
    assert!(
        program.is_file(),
        "there is no Chromium: install it (on Debian, `apt-get install chromium`), for the one of the npm package \
         @sparticuz/chromium cannot be unpacked here: {}",
        String::from_utf8_lossy(&unpacked.stderr)
    );
    let libraries = program.with_file_name("al2023").join("lib");
    let mut environment: HashMap<String, String> = std::env::vars().collect();
    environment.insert("LD_LIBRARY_PATH".to_owned(), libraries.display().to_string());
    (program, Some(environment))
}

impl Browser {
    pub fn start() -> Self {
        let (path, environment) = CHROMIUM.clone();
        let options = LaunchOptions {
            path: Some(path),
            process_envs: environment,
            // It opens this project's own pages only, and often by root.
            sandbox: false,
            args: vec![
                OsStr::new("--hide-scrollbars"),
                OsStr::new("--force-color-profile=srgb"),
                OsStr::new("--disable-dev-shm-usage"),
                OsStr::new("--lang=en"),
            ],
            idle_browser_timeout: Duration::from_secs(600),
            ..LaunchOptions::default()
        };
        let browser = headless_chrome::Browser::new(options).unwrap_or_else(|error| {
            panic!("Chromium does not start: {error}. On Debian, `apt-get install chromium` brings all that it needs.")
        });
        let tab = browser.new_tab().unwrap();
        tab.set_default_timeout(PATIENCE);
        tab.enable_log().unwrap().enable_runtime().unwrap();
        let errors: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&errors);
        let listen = move |event: &Event| {
            let error = match event {
                Event::LogEntryAdded(entry) => {
                    let entry = &entry.params.entry;
                    let level = format!("{:?}", entry.level);
                    (level == "Error" || level == "Warning").then(|| entry.text.clone())
                }
                Event::RuntimeExceptionThrown(thrown) => {
                    Some(format!("{:?}", thrown.params.exception_details))
                }
                Event::RuntimeConsoleAPICalled(call) => {
                    let kind = format!("{:?}", call.params.Type);
                    (kind == "Error" || kind == "Warning")
                        .then(|| format!("{:?}", call.params.args))
                }
                _ => None,
            };
            noted.lock().unwrap().extend(error);
        };
        tab.add_event_listener(Arc::new(listen)).unwrap();
        let browser = Self { tab, errors, size: (1280, 900), _browser: browser };
        browser.resize(1280, 900);
        browser
    }

    /// How large its window is.
    pub fn resize(&self, width: u32, height: u32) {
        let size = Emulation::SetDeviceMetricsOverride {
            width,
            height,
            device_scale_factor: 1.0,
            mobile: false,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            display_feature: None,
            device_posture: None,
        };
        self.tab.call_method(size).unwrap();
    }

    /// Whether the reader's system is dark.
    pub fn set_dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" }.to_owned();
        let features =
            Some(vec![Emulation::MediaFeature { name: "prefers-color-scheme".to_owned(), value }]);
        self.tab.call_method(Emulation::SetEmulatedMedia { media: None, features }).unwrap();
    }

    /// Opens a URL anew, whatever was there before.
    pub fn open(&self, url: &str) {
        // From one place of a page to another is no navigation.
        self.tab.navigate_to("about:blank").unwrap().wait_until_navigated().unwrap();
        self.tab.navigate_to(url).unwrap().wait_until_navigated().unwrap();
    }

    /// What an expression comes to, as JSON; a promise, what it is kept with.
    pub fn evaluate(&self, expression: &str) -> Value {
        let expression = format!("(async () => JSON.stringify((await ({expression})) ?? null))()");
        let result = self.tab.evaluate(&expression, true);
        let result = result.unwrap_or_else(|error| panic!("{error}: {expression}"));
        let text = result.value.unwrap_or_else(|| panic!("{expression}: {:?}", result.description));
        serde_json::from_str(text.as_str().unwrap()).unwrap()
    }

    /// Waits until an expression is true.
    pub fn wait_until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.evaluate(&format!("Boolean({expression})")) != Value::Bool(true) {
            let page = self.text("body");
            assert!(Instant::now() < deadline, "waited in vain for {expression}:\n{page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What can be read in an element.
    pub fn text(&self, selector: &str) -> String {
        let text = self.evaluate(&format!("document.querySelector({selector:?})?.innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a text can be read on the page.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("document.body.innerText.includes({text:?})"));
    }

    /// Clicks the button or the link with these words, once it is there and can be clicked.
    pub fn click(&self, words: &str) {
        let found = format!(
            "[...document.querySelectorAll('button, a, summary, label')].find((it) => it.innerText.trim() === {words:?} \
             && !it.disabled && it.getClientRects().length > 0)"
        );
        self.wait_until(&found);
        self.evaluate(&format!("{found}.click()"));
    }

    /// Types into the field with this label.
    pub fn type_into(&self, label: &str, text: &str) {
        let field = format!(
            "[...document.querySelectorAll('label')].find((it) => it.innerText.trim() === {label:?})"
        );
        self.wait_until(&field);
        let control = format!("({field}.control)");
        self.evaluate(&format!("{control}.focus(), {control}.select?.(), null"));
        let is_select = self.evaluate(&format!("{control}.tagName === 'SELECT'"));
        if is_select == Value::Bool(true) {
            let set = format!(
                "({control}.value = {text:?}, {control}.dispatchEvent(new Event('change', {{ bubbles: true }})), null)"
            );
            self.evaluate(&set);
        } else {
            self.tab.type_str(text).unwrap();
        }
    }

    /// Presses a key, such as `Enter` or `Tab`.
    pub fn press(&self, key: &str) {
        self.tab.press_key(key).unwrap();
    }

    /// What has gone wrong in the page since the last time it was asked.
    pub fn errors(&self) -> Vec<String> {
        std::mem::take(&mut self.errors.lock().unwrap())
    }

    /// What axe-core finds that keeps somebody out: <https://github.com/dequelabs/axe-core>.
    pub fn violations(&self) -> Vec<String> {
        let axe = Path::new(PROJECT).join("tests/e2e/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).unwrap();
        // Not by a script of the page's, which its policy lets it not have.
        self.tab
            .evaluate(&format!("window.axe ? undefined : (() => {{ {axe} }})()"), false)
            .unwrap();
        let found = self.evaluate(
            "axe.run().then(({ violations }) => violations.flatMap(({ id, help, nodes }) => \
             nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html.slice(0, 200)}: ${failureSummary}`)))",
        );
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// A picture of the whole page, in `target/screenshots`, or in the folder that SCREENSHOTS names.
    pub fn screenshot(&self, name: &str, width: u32) {
        let height = self.evaluate("document.documentElement.scrollHeight").as_u64().unwrap();
        self.resize(width, (height as u32).clamp(600, 2_000));
        std::thread::sleep(Duration::from_millis(200));
        let format = Page::CaptureScreenshotFormatOption::Png;
        let picture = self.tab.capture_screenshot(format, None, None, true).unwrap();
        self.resize(width, self.size.1);
        let folder = std::env::var("SCREENSHOTS").unwrap_or_else(|_| "target/screenshots".into());
        let folder = Path::new(PROJECT).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }
}
