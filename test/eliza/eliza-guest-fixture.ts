/** A real guest whose one plugin is of elizaOS, in its real sandbox and behind the real gate. */
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import { treeHash } from '../../src/plugins/index.ts'
import type { JsonObject, UserId } from '../../src/base/index.ts'
import type { CallOutcome, HostedPlugin } from '../../src/protocol/index.ts'
import type { GuestEnvelope } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { elizaPackages } from './eliza-packages-fixture.ts'

/** What packages name and do not import. */
const unused: ReadonlySet<string> = new Set(['bun', '@elizaos/plugin-sql'])

/** Makes a folder with these packages and what they need. */
export function linkPackages(from: string, to: string, names: readonly string[], skip: ReadonlySet<string> = unused): void {
  mkdirSync(to, { recursive: true })
  writeFileSync(join(to, 'package.json'), '{"type":"module"}')
  for (const name of names) linkPackage(from, to, name, from, skip)
}

function linkPackage(from: string, to: string, name: string, at: string, skip: ReadonlySet<string>): void {
  const folder = [join(at, 'node_modules', name), join(from, 'node_modules', name)].find((place) => existsSync(place))
  if (folder === undefined) return
  const target = join(to, folder.slice(from.length))
  if (existsSync(target)) return
  linkFolder(folder, target)
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies?: object }
  for (const needed of Object.keys(dependencies)) if (!skip.has(needed)) linkPackage(from, to, needed, folder, skip)
}

function linkFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name !== '.bin') linkFolder(join(from, entry.name), join(to, entry.name))
    else if (entry.isFile()) linkSync(join(from, entry.name), join(to, entry.name))
  }
}

/** @returns a folder with a plugin of this source and the packages that it imports */
export async function elizaFolder(folder: string, source: string, needs: readonly string[] = []): Promise<string> {
  linkPackages(await elizaPackages(), folder, ['@elizaos/core', ...needs], needs.length > 0 ? new Set(['bun']) : unused)
  writeFileSync(join(folder, 'index.mjs'), source)
  return folder
}

export interface ElizaGuestOptions {
  readonly source: string
  readonly needs?: readonly string[]
  readonly plugin?: Partial<HostedPlugin>
  readonly keys?: Readonly<Record<string, string>>
  readonly config?: JsonObject
}

export interface JournalRow {
  readonly name: string
  readonly phase: string
  readonly actor: string
  readonly body: string
}

export interface ElizaGuest extends AsyncDisposable {
  readonly root: string
  /** Of the guest that runs now. */
  guest(): Guest
  call(name: string, input: JsonObject): Promise<CallOutcome>
  /** Ends the guest, and reads what it has left. */
  stop(): Promise<void>
  start(): Promise<void>
  journal(): readonly JournalRow[]
  /** Kinds of rows of plugins, and how many there are. */
  kept(): Readonly<Record<string, number>>
}

export const pluginName = 'ledger'

export async function openElizaGuest({ source, needs, plugin, keys = {}, config = {} }: ElizaGuestOptions): Promise<ElizaGuest> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-eliza-guest-'))
  for (const folder of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) mkdirSync(join(root, folder))
  const folder = await elizaFolder(join(root, 'plugin'), source, needs)
  const hosted: HostedPlugin = {
    name: pluginName,
    version: '1.0.0',
    program: 'eliza-host',
    folder,
    tree_hash: await treeHash(folder),
    entries: ['index.mjs'],
    rights: [],
    hosts: [],
    secrets: [],
    paths: [],
    config: {},
    ...plugin,
  }
  const envelope: GuestEnvelope = {
    user: 'ada' as UserId,
    workspaceRoot: root,
    config: parseConfig(
      { approval: { side_effecting: 'allow', privileged: 'allow' }, memory: { embedder: 'words-50k' }, ...config },
      'this test',
    ),
    insecure: false,
    version: '0.0.0',
    keys,
    plugins: [hosted],
  }
  let guest = await startGuest(envelope)
  let isOpen = true
  const rows = (sql: string): readonly unknown[] => rowsIn(join(root, 'internal', 'oxbow.db'), sql)
  const stop = async (): Promise<void> => {
    if (isOpen) await guest.close()
    isOpen = false
  }
  return {
    root,
    guest: () => guest,
    async call(name, input) {
      // What a plugin has is learned in the background.
      for (const until = Date.now() + 30_000; ;) {
        const outcome = await guest.kernel.call(name, input)
        if (outcome.status === 'ok' || outcome.failure.code !== 'unknown_call' || Date.now() > until) return outcome
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    stop,
    async start() {
      guest = await startGuest(envelope)
      isOpen = true
    },
    journal: () => rows('select name, phase, actor, body from journal order by seq') as readonly JournalRow[],
    kept: () => {
      const found = rows('select kind, count(*) as count from zoey group by kind order by kind')
      return Object.fromEntries((found as readonly { kind: string; count: number }[]).map(({ kind, count }) => [kind, count]))
    },
    async [Symbol.asyncDispose]() {
      await stop()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

function rowsIn(file: string, sql: string): readonly unknown[] {
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    return db.prepare(sql).all()
  } finally {
    db.close()
  }
}
