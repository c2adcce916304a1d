# One workerd process for each contender, all set up alike: its worker, and the stand-ins for KV and the queue.

using Workerd = import "/workerd/workerd.capnp";

const floor :Workerd.Config = (
  services = [(name = "worker", worker = .floorWorker), .kv, .queue],
  sockets = [.http],
);
const handwritten :Workerd.Config = (
  services = [(name = "worker", worker = .handwrittenWorker), .kv, .queue],
  sockets = [.http],
);
const octokit :Workerd.Config = (
  services = [(name = "worker", worker = .octokitWorker), .kv, .queue],
  sockets = [.http],
);
const buildgate :Workerd.Config = (
  services = [(name = "worker", worker = .buildgateWorker), .kv, .queue],
  sockets = [.http],
);

const http :Workerd.Socket = (name = "http", address = "127.0.0.1:0", http = (), service = "worker");

# As in wrangler.toml.
const compatibilityDate :Text = "2026-10-01";

const bindings :List(Workerd.Worker.Binding) = [
  (name = "REPO_TRIGGERS", kvNamespace = "kv"),
  (name = "BUILD_QUEUE", queue = "queue"),
  # With it, buildgate writes its journal.
  (name = "JOURNAL_QUEUE", queue = "queue"),
  (name = "WEBHOOK_SECRET", fromEnvironment = "WEBHOOK_SECRET"),
  (name = "POLICY_CACHE_SECONDS", fromEnvironment = "POLICY_CACHE_SECONDS"),
];

const floorWorker :Workerd.Worker = (
  modules = [(name = "floor.js", esModule = embed "../../target/bench/floor.js")],
  compatibilityDate = .compatibilityDate,
  bindings = .bindings,
);
const handwrittenWorker :Workerd.Worker = (
  modules = [(name = "handwritten.js", esModule = embed "../../target/bench/handwritten.js")],
  compatibilityDate = .compatibilityDate,
  bindings = .bindings,
);
const octokitWorker :Workerd.Worker = (
  modules = [(name = "octokit.js", esModule = embed "../../target/bench/octokit.js")],
  compatibilityDate = .compatibilityDate,
  bindings = .bindings,
);
const buildgateWorker :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "../../build/index.js"),
    (name = "index_bg.wasm", wasm = embed "../../build/index_bg.wasm"),
  ],
  compatibilityDate = .compatibilityDate,
  bindings = .bindings,
);

const kv :Workerd.Service = (
  name = "kv",
  worker = (
    modules = [(name = "kv.js", esModule = "export { kv as default } from 'stand-ins';"),
               (name = "stand-ins", esModule = embed "stand-ins.js")],
    compatibilityDate = .compatibilityDate,
  ),
);
const queue :Workerd.Service = (
  name = "queue",
  worker = (
    modules = [(name = "queue.js", esModule = "export { queue as default } from 'stand-ins';"),
               (name = "stand-ins", esModule = embed "stand-ins.js")],
    compatibilityDate = .compatibilityDate,
  ),
);
