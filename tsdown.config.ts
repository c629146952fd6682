/**
 * The build: one program in a few files, with only the native part outside. Code that a verb does not need is in chunks of its
 * own, so that it is not read. Everything is bundled; `dependencies` are what is looked up and never loaded here.
 */
import { basename, dirname, join, relative } from 'node:path'
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { type CopyOptionsFn, defineConfig, type Rolldown, type UserConfig } from 'tsdown'
import { configVersion } from './src/runner/config/config-versions.ts'
import { newestStep } from './src/store/migrations/schema-version.ts'

const outside = [/^better-sqlite3-multiple-ciphers$/, /^node:/]

/**
 * SQLite is copied next to the bundle, without its sources: as a dependency npm would compile it, because it has a `binding.gyp`, and half of what
 * is installed would be C. Left out is Windows on ARM, for which no Node comes along.
 */
const sqlite = 'better-sqlite3-multiple-ciphers'
const sqliteFiles: CopyOptionsFn = ({ outDir }) => [
  ...['package.json', 'LICENSE'].map((name) => ({ from: `node_modules/${sqlite}/${name}`, to: `${outDir}/sqlite` })),
  ...globSync(`node_modules/${sqlite}/{lib,prebuilds}/*`)
    .filter((file) => !file.endsWith('win32-arm64.node'))
    .map((from) => ({ from, to: `${outDir}/sqlite/${from.includes('/lib/') ? 'lib' : 'prebuilds'}`, rename: basename(from) })),
]
/** What drives Chromium, inside the sandbox: without its pages for people, and its types. */
const driverFiles: CopyOptionsFn = ({ outDir }) => {
  const folder = 'node_modules/playwright-core'
  return globSync([`${folder}/*.{json,js,mjs,txt}`, `${folder}/{LICENSE,NOTICE}`, `${folder}/lib/**`])
    .filter((file) => statSync(file).isFile() && !file.startsWith(`${folder}/lib/vite/`))
    .map((from) => ({ from, to: join(outDir, 'playwright-core', relative(folder, dirname(from))) }))
}

/** In a folder of another package its `exports` mean nothing. */
const withoutExports =
  (folder: string) =>
  ({ outDir }: { readonly outDir: string }): void => {
    const file = join(outDir, folder, 'package.json')
    if (!existsSync(file)) return
    const { exports: _, ...manifest } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`)
  }

const outputOptions = { paths: { [sqlite]: './sqlite/lib/index.js' } }

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
  outputOptions,
  // Names stay, for the traces of errors.
  minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  deps: { alwaysBundle: [/./], neverBundle: outside },
} satisfies UserConfig

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { readonly version: string }

/** What other versions ask before they start this one: `oxbow upgrade`, and `bin/launch.js`. */
const releaseFacts = {
  name: 'release-facts',
  generateBundle(this: { emitFile(file: { type: 'asset'; fileName: string; source: string }): string }) {
    const source = JSON.stringify({ version, store: newestStep, config: configVersion, node: process.versions.node })
    this.emitFile({ type: 'asset', fileName: 'release.json', source })
  },
}

const types = { 'client/index': 'client', 'client/browser-client': 'client-browser', 'sdk/index': 'sdk' } as const

/** As in the build of the web application: what a page uses of shared modules needs no module of Node, and what is left is empty. */
const withoutNode: Rolldown.Plugin = {
  name: 'without-node',
  resolveId: (id) => (id.startsWith('node:') ? { id: `\0${id}`, moduleSideEffects: false } : null),
  async load(id) {
    if (!id.startsWith('\0node:')) return null
    const names = Object.keys((await import(id.slice(1))) as object).filter((name) => name !== 'default')
    return { code: `${names.map((name) => `export const ${name} = undefined`).join('\n')}\nexport default {}`, moduleSideEffects: false }
  },
}

const configs: UserConfig[] = defineConfig([
  {
    ...common,
    clean: true,
    plugins: [releaseFacts],
    entry: { oxbow: 'src/cli/main.ts' },
    // The node of a cluster asks Postgres for keys.
    deps: { ...common.deps, neverBundle: [...outside, /^pg-native$/] },
    // Read by name, a provider at a time: nothing of it belongs into a chunk.
    copy: 'src/engine/catalog/model-data.jsonl',
  },
  // What it loads at its start stays in memory for months.
  { ...common, entry: { oxbowd: 'src/runner/daemon/main.ts' } },
  // Apart from the terminal: what the two share would come whole, and a guest has no use for the schema of the configuration.
  {
    ...common,
    // A program that has its guest in its own process loads the second in place of the first.
    entry: { guest: 'src/guest/main.ts', 'own-process': 'src/guest/own-process.ts' },
    outputOptions: {
      ...outputOptions,
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
  // Started where a channel is configured. The library of a platform is loaded with its first channel.
  { ...common, entry: { channels: 'src/channels/main.ts' } },
  // A thread loads its whole file: what it shares with the guest would bring along what it does not need.
  { ...common, entry: { 'sqlite-worker': 'src/store/sqlite/sqlite-worker.ts' }, copy: sqliteFiles, onSuccess: withoutExports('sqlite') },
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
  {
    ...common,
    entry: { 'versions-worker': 'src/services/versions/thread/versions-worker.ts' },
    // In a cluster it keeps files in Postgres.
    deps: { ...common.deps, neverBundle: [...outside, /^pg-native$/] },
  },
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
  // What programs are written against: a client in Node and in a browser, and Oxbow as a part of a program; their types in one file each.
  { ...common, entry: { client: 'src/client/index.ts' } },
  { ...common, platform: 'browser', target: 'es2023', entry: { 'client-browser': 'src/client/browser-client.ts' }, plugins: [withoutNode] },
  { ...common, entry: { sdk: 'src/sdk/index.ts' } },
  ...(['client/index', 'client/browser-client', 'sdk/index'] as const).map((file): UserConfig => ({
    ...common,
    entry: { [types[file]]: `src/${file}.ts` },
    dts: { emitDtsOnly: true, generator: 'tsgo', tsconfig: 'tsconfig.library.json' },
    inputOptions: { tsconfig: false, treeshake: { moduleSideEffects: false } },
    deps: { neverBundle: [...outside, /^zod$/] },
    logLevel: 'error',
  })),
  { ...common, entry: { 'schema-worker': 'src/tools/schema/schema-worker.ts' } },
  // Hands are copied into the sandbox, where there is nothing to share a chunk with. A checkout bundles them with the same settings: see hands-program.ts.
  {
    ...common,
    format: 'cjs',
    fixedExtension: true,
    entry: { hands: 'src/hands/main.ts' },
    outputOptions: { codeSplitting: false },
    copy: driverFiles,
    onSuccess: withoutExports('playwright-core'),
  },
  ...(['plugin-host', 'eliza-host'] as const).map((name): UserConfig => ({
    ...common,
    format: 'cjs',
    fixedExtension: true,
    entry: { [name]: `src/${name}/main.ts` },
    outputOptions: { codeSplitting: false },
  })),
])

export default configs
