/** One story: one prompt with one tool call passes few source files from gateway to reply, counted by running it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startScriptedServer } from '../src/engine/index.ts'
import type { Work } from './path-budget/measured-guest.ts'
import type { UserId } from '../src/base/index.ts'
import type { GuestEnvelope } from '../src/config/index.ts'
import { parseConfig } from '../src/services/index.ts'

/**
 * The parts of the path and the number of files that each may pass: the spine, and every port behind it by itself. A limit above its
 * aim in docs/decisions/2026-11-22-path-by-part.md is what was reached; it may only be lowered. The words of base, protocol and config and the numbers
 * of `limits.ts` are not steps of the path.
 */
const parts = [
  // 24 would be better: hosts, modes, calls under way and rows of sessions each have a file since undo, labels and the journal were mended.
  { part: 'spine', modules: ['gateway', 'kernel', 'services', 'runtime'], maxFiles: 32 },
  { part: 'engine', modules: ['engine'], maxFiles: 15 },
  { part: 'store', modules: ['store'], maxFiles: 5 },
  { part: 'sandbox', modules: ['sandbox'], maxFiles: 6 },
  { part: 'memory', modules: ['memory'], maxFiles: 3 },
  { part: 'secrets', modules: ['secrets'], maxFiles: 7 },
  { part: 'tools', modules: ['tools'], maxFiles: 2 },
  { part: 'skills', modules: ['skills'], maxFiles: 1 },
  // One for each protocol, and what joins them: whether their calls have changed is read from each.
  { part: 'servers of tools', modules: ['connect'], maxFiles: 4 },
] as const

/**
 * The engine that writes a batch is behind a port of its own, `WriteEngine`, and runs in a thread or in this process alike; see
 * docs/decisions for when it is which.
 */
const isEngine = (path: string): boolean =>
  /^store\/(chain\.ts|sql\/|sqlite\/(write-engine|memory-writer|sqlite-database|packed-value)\.ts)/.test(path)

/**
 * What the prompt may cost. The aims are 350 functions, 10 records, 16 stringifies and 30 searches. Of the stringifies, 11 encode a record each,
 * for the store, its hash and those who follow. Three or four commits write 22 to 26 pages; on a slow machine fewer records share one.
 */
const mostWork: Record<keyof Work, number> = { functions: 715, records: 11, stringifies: 17, scans: 30, commits: 6, pages: 36 }

/**
 * What follows a turn that has ended, in the background, is a story of its own: learning begins at the reply, and loads what it needs from
 * `memory/` by `lazy-parts.ts`, which a turn does not pass once it has what it needs.
 */
const isAfterwards = (path: string): boolean =>
  /^(?:services\/(?:upkeep|learn)|memory\/(?:tidy|summary))\//.test(path) ||
  ['memory/lazy-parts.ts', 'memory/keep/journal-index.ts', 'kernel/turns/background.ts'].includes(path)

/** The configuration as it is now, in place of a value: reading a key is no step. */
const isConfig = (path: string): boolean => path.startsWith('config/') || path === 'guest/live-config.ts'

const isStep = (path: string): boolean =>
  !/^(?:base|protocol)\//.test(path) && !isConfig(path) && !path.endsWith('/limits.ts') && !isEngine(path) && !isAfterwards(path)

const moduleOf = (path: string): string => path.split('/', 1)[0] ?? ''

const steps = [{ events: [{ tool_call: { name: 'file_list', arguments: { path: '/shared' } } }] }, { events: [{ text: 'Nothing there.' }] }]

const functionsOf = ({ functions }: Work): number => functions.filter((path) => !isAfterwards(path)).length

interface Counted {
  readonly files: readonly string[]
  readonly work: Work
  readonly outcome: string
}

void test('a prompt with one tool call passes few source files, in the spine and behind each port', async (t) => {
  const workspaces = [0, 1, 2].map(() => mkdtempSync(join(tmpdir(), 'oxbow-path-')))
  const model = await startScriptedServer({ turns: Array.from({ length: 6 * workspaces.length }, () => ({ steps })) })
  try {
    for (const root of workspaces) for (const folder of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) mkdirSync(join(root, folder))
    const envelope: Omit<GuestEnvelope, 'workspaceRoot'> = {
      user: 'ada' as UserId,
      config: parseConfig({ model: { provider: 'openai', base_url: model.url } }, 'this test'),
      // The story is the same with bubblewrap, which starts hands in another way and only once.
      insecure: true,
      version: '0.0.0',
      keys: { OPENAI_API_KEY: 'sk-not-a-key' },
    }
    const program = fileURLToPath(new URL('path-budget/measured-guest.ts', import.meta.url))
    const runs: Counted[] = []
    for (const workspaceRoot of workspaces) {
      const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify({ ...envelope, workspaceRoot })])
      runs.push(JSON.parse(stdout) as Counted)
    }
    const { files, work, outcome } = runs.reduce((least, each) => (each.work.functions.length < least.work.functions.length ? each : least))
    assert.match(outcome, /Nothing there/, 'the turn ran to its reply')
    const counts = { ...work, functions: functionsOf(work) }
    t.diagnostic(JSON.stringify(counts))
    for (const [what, most] of Object.entries(mostWork)) {
      const counted = counts[what as keyof Work]
      assert.ok(counted > 0 && counted <= most, `${counted} ${what}, at most ${most}`)
    }
    const passed = files.filter(isStep)
    const all = new Set<string>(parts.flatMap(({ modules }) => modules))
    assert.deepEqual(
      passed.filter((path) => !all.has(moduleOf(path))),
      [],
      'every file belongs to a part',
    )
    for (const { part, modules, maxFiles } of parts) {
      const own = passed.filter((path) => (modules as readonly string[]).includes(moduleOf(path)))
      t.diagnostic(`${part}: ${own.length} of ${maxFiles}: ${own.join(', ')}`)
      assert.ok(own.length > 0, `the path passes the ${part}`)
      assert.ok(own.length <= maxFiles, `${part}: ${own.length} files, at most ${maxFiles}:\n${own.join('\n')}`)
    }
  } finally {
    await model.close()
    for (const root of workspaces) rmSync(root, { recursive: true, force: true })
  }
})
