/**
 * A home in which a person has installed packages of elizaOS from the npm registry with `oxbow plugin add`, at a terminal, and a guest of it that
 * serves in the real sandbox. Homes are kept next to the packages: installing takes a minute a package, copying a home two seconds.
 */
import { execFile, spawn as start } from 'node:child_process'
import { hash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { spawn as openPty } from '@lydell/node-pty'
import type { JsonObject } from '../../src/base/index.ts'
import { program } from '../support/built.ts'
import { inTime } from '../support/patience.ts'
import type { Ran } from '../support/program.ts'

const cache = fileURLToPath(new URL('../../node_modules/.cache/oxbow-eliza', import.meta.url))
/** Narrows the hosts of a proposal to this machine: `egress.allow` has the ports of the endpoints that stand for the web. */
export const onLoopback = (proposed: { readonly rights: object }): object => ({
  ...proposed,
  rights: { ...proposed.rights, hosts: ['127.0.0.1'] },
})

const run = promisify(execFile)
const addMs = 600_000

export interface Package {
  /** `@elizaos/plugin-pdf@1.0.2` */
  readonly spec: string
  /** What a person changes in the proposal. */
  readonly narrow?: (proposed: any) => object
}

/** What `oxbow plugin add` has shown to the person who installed a package. */
export interface Installed {
  readonly proposed: string
  readonly shown: string
  readonly seconds: number
  readonly narrowed: string
}

export interface ProofHome extends AsyncDisposable {
  readonly folder: string
  /** By `spec`. */
  readonly installed: Readonly<Record<string, Installed>>
  oxbow(args: readonly string[], piped?: string): Promise<Ran>
  /** Makes a call as the person, and returns its output. @throws with what the verb prints unless it went well */
  call(name: string, input?: object): Promise<any>
  /** A turn of the agent. @returns what it answers */
  say(text: string): Promise<string>
  /** The whole of `oxbow plugin info`. */
  info(plugin: string): Promise<any>
  /** A request of a plugin's route, with the key of the person unless `open`. */
  route(path: string, init?: RequestInit & { readonly open?: boolean }): Promise<Response>
  /** What the guest has printed. */
  printed(): string
}

export interface ProofOptions {
  readonly packages: readonly Package[]
  /** config.toml */
  readonly config: string
  readonly secrets?: Readonly<Record<string, string>>
  /** Folders with plugins of the test itself, by name: files by path. */
  readonly folders?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export async function openProofHome({ packages, config, secrets = {}, folders = {} }: ProofOptions): Promise<ProofHome> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-proof-'))
  const kept = await installedHome(packages)
  await copyHome(join(kept, '.oxbow'), join(folder, '.oxbow'))
  const installed = JSON.parse(readFileSync(join(kept, 'shown.json'), 'utf8')) as Record<string, Installed>
  const env = environmentOf(folder)
  writeFileSync(join(folder, '.oxbow', 'config.toml'), config)
  const open = (args: readonly string[], piped: string) => {
    const child = start(process.execPath, [program, ...args], { env, cwd: folder })
    const texts = { out: '', err: '' }
    child.stdout.on('data', (chunk: Buffer) => (texts.out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (texts.err += chunk.toString()))
    child.stdin.on('error', () => {})
    child.stdin.end(piped)
    return { child, texts, over: new Promise<Ran>((resolve) => child.once('close', (exit) => resolve({ exit, ...texts }))) }
  }
  const oxbow: ProofHome['oxbow'] = (args, piped = '') => open(args, piped).over
  const output = async (...args: readonly string[]): Promise<string> => {
    const { exit, out, err } = await oxbow(args)
    if (exit !== 0) throw new Error(`oxbow ${args.join(' ')} ended with ${exit}: ${err}${out}`)
    return out
  }
  for (const [name, value] of Object.entries({ OPENAI_API_KEY: 'sk-of-no-worth', ...secrets })) {
    const { exit, err } = await oxbow(['secret', 'set', name], value)
    if (exit !== 0) throw new Error(`${name} was not stored: ${err}`)
  }
  for (const [name, files] of Object.entries(folders)) {
    const source = join(folder, name)
    mkdirSync(source)
    for (const [path, text] of Object.entries(files)) writeFileSync(join(source, path), text)
    const { tree_hash: digest } = JSON.parse(await output('plugin', 'add', source, '--dry-run', '--json')).target as { tree_hash: string }
    await output('plugin', 'add', source, '--digest', digest)
  }
  const server = open(['serve'], '')
  const serves = new Promise<void>((resolve) =>
    server.child.stdout.on('data', () => {
      if (server.texts.out.includes('Ctrl+C stops it.')) resolve()
    }),
  )
  await inTime(
    Promise.race([serves, server.over.then(() => Promise.reject(new Error('serve ended')))]),
    () => `the guest to serve; it prints: ${server.texts.out}${server.texts.err}`,
  )
  // A guest learns in the background what plugins have; their calls are there once it has.
  const plugins = readdirSync(join(folder, '.oxbow', 'plugins')).filter((name) => !name.startsWith('.'))
  for (const name of plugins) await output('plugin', 'info', name, '--json')
  const token = (): string => readFileSync(join(folder, '.oxbow', 'users', 'default', 'ipc', 'token'), 'utf8')
  const address = (/ws:\/\/([\d.]+:\d+)/.exec(server.texts.out)?.[1] ?? '').replace(/^/, 'http://')
  return {
    folder,
    installed,
    oxbow,
    call: async (name, input = {}) => JSON.parse(await output('call', name, JSON.stringify(input), '--json')),
    say: async (text) => (await output('run', text)).trim(),
    info: async (plugin) => JSON.parse(await output('plugin', 'info', plugin, '--json')),
    route: (path, { open: isOpen = false, headers = {}, ...init } = {}) =>
      fetch(`${address}/plugins/${path}`, {
        ...init,
        headers: { ...(!isOpen && { authorization: `Bearer ${token()}` }), ...(headers as Record<string, string>) },
      }),
    printed: () => server.texts.out + server.texts.err,
    async [Symbol.asyncDispose]() {
      server.child.kill('SIGINT')
      await server.over
      await run('chmod', ['-R', 'u+w', join(folder, '.oxbow', 'plugins')]).catch(() => {})
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Without what guests keep. Only what nobody writes is linked. */
async function copyHome(from: string, to: string): Promise<void> {
  mkdirSync(to)
  for (const name of readdirSync(from).filter((each) => each !== 'users'))
    await run('cp', [name === 'plugins' ? '-al' : '-a', join(from, name), to])
}

/** How npm reaches the registry from this machine. */
const ofNetwork = /^(?:npm_config_.*|NODE_EXTRA_CA_CERTS|SSL_CERT_.*|(?:https?|no)_proxy)$/i

function environmentOf(home: string): Record<string, string> {
  const network = Object.entries(process.env).filter(([name]) => ofNetwork.test(name)) as [string, string][]
  return {
    ...Object.fromEntries(network),
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    OXBOW_HOME: join(home, '.oxbow'),
    TERM: 'xterm',
    npm_config_cache: join(cache, 'npm'),
    npm_config_prefer_offline: 'true',
  }
}

/** Installs what is not there yet, and what is narrowed in another way than before. */
async function installedHome(packages: readonly Package[]): Promise<string> {
  const kept = join(cache, 'homes', hash('sha256', packages.map(({ spec }) => spec).join()).slice(0, 16))
  const file = join(kept, 'shown.json')
  mkdirSync(join(kept, '.oxbow'), { recursive: true })
  const shown = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as Record<string, Installed>
  for (const each of packages) {
    const { spec, narrow } = each
    if (shown[spec]?.narrowed === String(narrow)) continue
    shown[spec] = { ...(await addAtTerminal(kept, each)), narrowed: String(narrow) }
    writeFileSync(file, JSON.stringify(shown))
  }
  return kept
}

/** As a person does: looks at the proposal, narrows it, looks at what would be installed, and says yes. */
async function addAtTerminal(
  home: string,
  { spec, narrow = (proposed: object) => proposed }: Package,
): Promise<Omit<Installed, 'narrowed'>> {
  const proposed = await typed(home, ['plugin', 'add', `npm:${spec}`])
  if (!proposed.text.includes('this is a proposal')) throw new Error(`no proposal for ${spec}: ${proposed.text}`)
  const [, file = ''] = /Remove from (\S+\.plugin\.json)/.exec(proposed.text.replaceAll(/\s+/g, ' ')) ?? []
  const path = join(home, file)
  writeFileSync(path, JSON.stringify(narrow(JSON.parse(readFileSync(path, 'utf8')) as JsonObject)))
  const began = performance.now()
  const { text, exit } = await typed(
    home,
    ['plugin', 'add', `npm:${spec}`, '--manifest', file],
    [
      { after: 'Install it?', keys: 'y\r' },
      // The configuration of the test gives the right.
      { after: 'May your agent use it?', keys: 'n\r' },
    ],
  )
  if (exit !== 0) throw new Error(`${spec} was not installed: ${text}`)
  return { proposed: proposed.text, shown: text, seconds: Math.round((performance.now() - began) / 1000) }
}

/** Adds a package that cannot be installed. @returns what the person sees */
export async function refusedPackage(spec: string): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-refused-'))
  try {
    return await addAtTerminal(home, { spec }).then(
      () => `${spec} was installed`,
      (error: Error) => error.message.replaceAll(/\s+/g, ' '),
    )
  } finally {
    await run('chmod', ['-R', 'u+w', home])
    rmSync(home, { recursive: true, force: true })
  }
}

function typed(
  home: string,
  args: readonly string[],
  answers: readonly { readonly after: string; readonly keys: string }[] = [],
): Promise<{ readonly text: string; readonly exit: number }> {
  const pty = openPty(process.execPath, [program, ...args], { cols: 400, rows: 50, env: environmentOf(home), cwd: home })
  const late = setTimeout(() => pty.kill('SIGKILL'), addMs)
  let text = ''
  let answered = 0
  pty.onData((data) => {
    text += stripVTControlCharacters(data)
    const next = answers[answered]
    if (next === undefined || !text.includes(next.after)) return
    answered += 1
    pty.write(next.keys)
  })
  return new Promise((resolve) =>
    pty.onExit(({ exitCode }) => {
      clearTimeout(late)
      resolve({ text, exit: exitCode })
    }),
  )
}

/** config.toml of a guest with the model of a test, whose agent has the right to these plugins. @param ports of endpoints on this machine */
export function startConfig(
  model: { readonly config: { readonly base_url: string } },
  plugins: readonly string[],
  ports: readonly number[] = [],
): string {
  const list = (texts: readonly string[]): string => JSON.stringify(texts)
  return `
[model]
provider = "openai"
base_url = "${model.config.base_url}"
[agent]
rights = ${list(['user', ...plugins.map((plugin) => `plugin.${plugin}`)])}
[approval]
side_effecting = "allow"
privileged = "allow"
[plugins]
tier = "unlimited"
[egress]
allow = ${list(ports.map((port) => `127.0.0.1:${port}`))}
`
}

/** A plugin of Oxbow that asks models of other plugins, as any plugin may: what plugins with models are used by. */
export const asker: Readonly<Record<string, string>> = {
  'oxbow.plugin.json': JSON.stringify({
    name: 'asker',
    version: '1.0.0',
    sdk: '^1.0.0',
    entry: 'index.js',
    rights: {
      calls: ['openai', 'ollama', 'anthropic', 'openrouter', 'groq'].map((name) => `plugin.plugin-${name}`),
      models: ['*'],
      spend_per_day: 1,
    },
  }),
  'package.json': '{"type":"module"}',
  'index.js': `
import { definePlugin } from 'oxbow/plugin'
export default definePlugin({
  name: 'asker',
  actions: [{
    name: 'ask',
    description: 'Asks a model by its type.',
    parameters: { type: 'object', properties: { type: { type: 'string' }, params: { type: 'object' }, provider: { type: 'string' } } },
    handler: async (runtime, message, state, { parameters: { type, params, provider } }) => {
      const answer = await runtime.useModel(type, params, provider)
      return { success: true, text: 'asked', data: { answer } }
    },
  }],
})`,
}
