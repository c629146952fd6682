/**
 * Packages of elizaOS from the npm registry, in the exact versions of `package-lock.json` next to this file, and the compatibility host over them
 * with a guest in memory: its data is in the real adapter over SQLite, its models are answered by the test.
 */
import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { HostAdapter } from '../../src/plugin-host/index.ts'
import { openElizaAdapter } from '../../src/eliza-host/host-adapter.ts'
import { migrate } from '../../src/store/migrations/migration-runner.ts'
import { connectSqlite } from '../../src/store/upkeep/connection.ts'
import { openZoeyAdapter } from '../../src/store/zoey/zoey-adapter.ts'
import { answerZoey, type ZoeyRequest, zoeyReads } from '../../src/store/zoey/zoey-requests.ts'
import type { Json, JsonObject, UserId } from '../../src/base/index.ts'
import type { PluginCallResult, PluginMessage, PluginOp, PluginOps } from '../../src/protocol/index.ts'
import { isOxbowError, systemClock } from '../../src/base/index.ts'

const here = dirname(fileURLToPath(import.meta.url))
const folder = fileURLToPath(new URL('../../node_modules/.cache/oxbow-eliza', import.meta.url))
const run = promisify(execFile)

/** Installs the packages once, without their scripts, in the locked versions: `npm ci` refuses a lock without packages of other platforms. @returns the folder with `node_modules` */
export async function elizaPackages(): Promise<string> {
  const sum = hash('sha256', readFileSync(join(here, 'package-lock.json')))
  const mark = join(folder, 'installed')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === sum) return folder
  mkdirSync(folder, { recursive: true })
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(here, name), join(folder, name))
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, maxBuffer: 1 << 26 })
  writeFileSync(mark, sum)
  return folder
}

/** @returns paths from the folder of the packages to the files that plugins begin with */
export function entriesOf(...names: readonly string[]): readonly string[] {
  return names.map((name) => {
    const root = join('node_modules/@elizaos', name)
    const { exports, main } = JSON.parse(readFileSync(join(folder, root, 'package.json'), 'utf8')) as { exports?: any; main?: string }
    const own = exports?.['.']
    const file = own?.node?.import ?? own?.import?.default ?? own?.import ?? main
    return join(root, String(file))
  })
}

export interface FakeGuest {
  /** Asks the host as a guest does. */
  ask<Op extends PluginOp>(op: Op, input: PluginOps[Op]['input']): Promise<PluginOps[Op]['output']>
  readonly adapter: HostAdapter
  /** Lets services make their calls until the end, as the task of every minute does. */
  background(): void
  /** Names of calls that the plugin made, with their inputs. */
  readonly calls: { readonly name: string; readonly input: JsonObject }[]
  close(): Promise<void>
}

export interface FakeGuestOptions {
  readonly entries: readonly string[]
  readonly config?: JsonObject
  readonly settings?: JsonObject
  readonly env?: Readonly<Record<string, string>>
  /** Answers `model.complete`. */
  readonly model?: (input: { readonly system: string; readonly text: string }) => string
  /** Folder of the packages; default: this folder's. */
  readonly packages?: string
}

export interface FakeStore {
  /** Answers calls of plugins. */
  answer(name: string, input: JsonObject): Promise<PluginCallResult>
  readonly calls: FakeGuest['calls']
  close(): Promise<void>
}

/** The guest's side of calls: the real adapter over SQLite in memory, and a model of the test. */
export async function openFakeStore(model?: FakeGuestOptions['model']): Promise<FakeStore> {
  const db = connectSqlite(':memory:', 'write')
  await migrate(db.migration, { now: Date.now })
  const zoey = openZoeyAdapter({ db, user: 'ann' as UserId, clock: systemClock, scope: 'plugin:test' })
  const calls: FakeGuest['calls'] = []
  const outputFor = async (name: string, input: JsonObject): Promise<Json> => {
    if (name === 'store.read' || name === 'store.change') {
      const request = { scope: '', ...(input as unknown as Pick<ZoeyRequest, 'method' | 'args'>) }
      const isRead = (zoeyReads as readonly string[]).includes(request.method)
      if (isRead !== (name === 'store.read')) throw new Error(`${request.method} is not of ${name}`)
      return { value: await answerZoey(zoey, request) }
    }
    if (name === 'store.embed') return { vectors: (input['texts'] as string[]).map((text) => wordVector(text)) }
    if (name === 'model.complete' && model !== undefined) return { text: model(input as never), spent: { microDollars: 0, tokens: 0 } }
    throw new Error(`no answer to ${name}`)
  }
  return {
    calls,
    async answer(name, input) {
      calls.push({ name, input })
      try {
        return { status: 'ok', ok: true, text: '', output: await outputFor(name, structuredClone(input)), failure: null }
      } catch (error) {
        const { message } = error as Error
        const failure = { code: isOxbowError(error) ? error.code : 'internal_failure', message, hint: '' } as const
        return { status: 'failed', ok: false, text: message, output: null, failure }
      }
    },
    close: () => db.close(),
  }
}

export async function openFakeGuest({
  entries,
  config = {},
  settings = {},
  env = {},
  model,
  packages = folder,
}: FakeGuestOptions): Promise<FakeGuest> {
  const store = await openFakeStore(model)
  const { calls } = store
  const dataFolder = mkdtempSync(join(tmpdir(), 'oxbow-eliza-'))
  const api = { signal: () => new AbortController().signal, call: store.answer }
  const adapter = await openElizaAdapter({ folder: packages, entries, dataFolder, api, env, now: Date.now })
  return {
    adapter,
    calls,
    background: () => void adapter.answer('task', { name: 'background', due: Date.now() } as never).catch(() => {}),
    async ask(op, input) {
      if (op === 'describe') return adapter.describe()
      return adapter.answer(op as never, input as never) as never
    },
    async close() {
      await adapter.answer('drain', {} as never)
      await store.close()
      rmSync(dataFolder, { recursive: true, force: true })
    },
    ...(await started(adapter, config, settings)),
  }
}

async function started(adapter: HostAdapter, config: JsonObject, settings: JsonObject): Promise<object> {
  await adapter.describe()
  await adapter.answer('start', { config, settings } as never)
  return {}
}

/** Texts that share words are near each other. */
function wordVector(text: string): string {
  const vector = new Float32Array(64).fill(0.01)
  for (const word of text.toLowerCase().match(/\p{L}{3,}/gu) ?? []) vector[parseInt(hash('sha256', word).slice(0, 8), 16) % 64]! += 1
  const length = Math.hypot(...vector) || 1
  return Buffer.from(vector.map((each) => each / length).buffer).toString('base64')
}

let messages = 0

export function messageOf(text: string, more: Partial<PluginMessage> = {}): PluginMessage {
  const id = `00000000-0000-4000-8000-${String(++messages).padStart(12, '0')}`
  return { id, session: 'session-1', turn: 'turn-1', text, user: 'ann', agent: '', at: Date.now(), ...more }
}
