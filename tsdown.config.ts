/**
 * The build: one program in a few files, with only the native part outside. Code that a verb does not need is in chunks of its
 * own, so that it is not read. Everything is bundled, also what stands in `dependencies`.
 */
import { defineConfig, type UserConfig } from 'tsdown'

const outside = [/^better-sqlite3-multiple-ciphers$/, /^node:/]

const common = {
  outDir: 'dist',
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // Files find each other by name: `./guest.js` beside the terminal, `./sqlite-worker.js` beside the guest.
  fixedExtension: false,
  hash: true,
  dts: false,
  clean: false,
  report: false,
  // Its `paths` name files of types, in which a bundle would find nothing.
  tsconfig: false,
  inputOptions: { tsconfig: false },
  deps: { alwaysBundle: [/./], neverBundle: outside },
} satisfies UserConfig

const configs: UserConfig[] = defineConfig([
  {
    ...common,
    clean: true,
    entry: { oxbow: 'src/cli/main.ts' },
    // Read by name, a provider at a time: nothing of it belongs into a chunk.
    copy: 'src/engine/catalog/model-data.jsonl',
  },
  // Apart from the terminal: what the two share would come whole, and a guest has no use for the schema of the configuration.
  {
    ...common,
    entry: { guest: 'src/guest/main.ts' },
    outputOptions: {
      // What a start loads is in three files, each with all that its first module imports, in the order in which they are needed: to open
      // forty takes a tenth of a start. (The entry itself is in none: what waits in it would wait for itself.)
      codeSplitting: {
        groups: [
          { name: 'error', test: /src\/base\/error\.ts$/, priority: 3 },
          { name: 'store', test: /src\/guest\/guest-store\.ts$/, priority: 2 },
          { name: 'start', test: /src\/guest\/guest\.ts$/, priority: 1 },
          // The first call loads all calls and their schemas: a hundred files otherwise.
          { name: 'zod', test: /node_modules\/zod\//, priority: 0.9 },
          {
            name: 'calls',
            test: /src\/(?:tools\/index|services\/[\w-]+\/[\w-]*calls?|kernel\/turns\/(?:turn|client)-calls|connect\/index|skills\/index)\.ts$/,
            priority: 0.5,
          },
        ],
      },
    },
  },
  // A thread loads its whole file: what it shares with the guest would bring along what it does not need.
  { ...common, entry: { 'sqlite-worker': 'src/store/sqlite/sqlite-worker.ts' } },
  // `pg` asks for what it does without here: its native half, and the sockets of another host.
  {
    ...common,
    entry: { 'postgres-worker': 'src/store/postgres/postgres-worker.ts' },
    deps: { ...common.deps, neverBundle: [...outside, /^pg-native$/] },
  },
  {
    ...common,
    entry: { 'zoey-worker': 'src/store/zoey/zoey-worker.ts' },
    deps: { ...common.deps, neverBundle: [...outside, /^pg-native$/] },
  },
  {
    ...common,
    entry: { 'token-worker': 'src/engine/tokens/token-worker.ts' },
    copy: ['src/engine/tokens/o200k_base.json.br', 'src/engine/tokens/cl100k_base.json.br'],
  },
  {
    ...common,
    entry: { 'text-worker': 'src/memory/text/text-worker.ts' },
    // It recalls from Postgres, too.
    deps: { ...common.deps, neverBundle: [...outside, /^pg-native$/] },
    copy: [
      'src/memory/embed/words-50k.bin',
      'src/memory/embed/words-50k.LICENSE.md',
      'src/memory/text/classes.bin.br',
      'src/memory/text/classes.LICENSE.md',
    ],
  },
  { ...common, entry: { 'tool-worker': 'src/sandbox/wasm/tool-worker.ts' } },
  { ...common, entry: { 'versions-worker': 'src/services/versions/thread/versions-worker.ts' } },
  { ...common, entry: { 'pdf-worker': 'src/tools/pdf/pdf-worker.ts' } },
  { ...common, entry: { 'tree-worker': 'src/plugins/package/tree-worker.ts' } },
  // What plugins are written against, and its types in one file that imports nothing.
  { ...common, entry: { plugin: 'src/plugin-sdk/index.ts' } },
  {
    ...common,
    entry: { plugin: 'src/plugin-sdk/index.ts' },
    dts: { emitDtsOnly: true, generator: 'tsgo', tsconfig: 'tsconfig.plugin.json' },
    inputOptions: { tsconfig: false, treeshake: { moduleSideEffects: false } },
    deps: { neverBundle: [...outside, /^zod$/] },
    logLevel: 'error',
  },
  { ...common, entry: { 'schema-worker': 'src/tools/schema/schema-worker.ts' } },
  // Hands are copied into the sandbox, where there is nothing to share a chunk with. A checkout bundles them with the same settings: see hands-program.ts.
  { ...common, format: 'cjs', fixedExtension: true, entry: { hands: 'src/hands/main.ts' }, outputOptions: { codeSplitting: false } },
  ...(['plugin-host', 'eliza-host'] as const).map((name): UserConfig => ({
    ...common,
    format: 'cjs',
    fixedExtension: true,
    entry: { [name]: `src/${name}/main.ts` },
    outputOptions: { codeSplitting: false },
  })),
])

export default configs
