import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { OxbowError } from '../../base/index.ts'
import { hostQuestionSchema, type HostQuestion } from '../../config/index.ts'
import { type HostUser, type LogPage, logWish, type LogWish } from '../../protocol/index.ts'
import { configSchema } from '../../services/index.ts'
import { type Home, makeFolder, openHome, openWorkspace, parseUser, type Workspace } from '../home.ts'
import { maxShownLogBytes, maxShownLogLine } from '../limits.ts'
import { createMachineSide } from './machine-questions.ts'

let root: string
let home: Home
let workspace: Workspace

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oxbow-machine-'))
  home = openHome({ OXBOW_HOME: root })
  workspace = openWorkspace(home, parseUser('ada'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const locked = (): OxbowError => new OxbowError('denied', 'locked', { hint: '' })

function ask(question: HostQuestion, isIsolated = false): unknown {
  const answer = createMachineSide({ home, workspace, env: {}, config: () => configSchema.parse({}), isIsolated, locked })
  return answer(hostQuestionSchema.parse(question) as Parameters<typeof answer>[0])
}

const logOf = (wish: Partial<LogWish>, isIsolated = false): LogPage => ask({ ask: 'log', wish: logWish.parse(wish) }, isIsolated) as LogPage
const said = (page: LogPage): readonly string[] => page.lines.map(({ msg }) => msg)

test('the page has the logs of the verb: of each role, chosen, cut to what fits, and none where nothing was written', () => {
  assert.deepEqual(logOf({}), { folder: workspace.logs, lines: [] })
  const line = (msg: string, more: object = {}): string =>
    `${JSON.stringify({ time: '2026-01-01T00:00:00.000Z', level: 'info', msg, ...more })}\n`
  writeFileSync(join(workspace.logs, 'guest.log'), line('one', { turn: 't1' }) + line('\u001b[31mtwo\u001b[0m', { level: 'warn', ms: 3 }))
  writeFileSync(join(workspace.logs, 'runner.log'), line('three'))
  makeFolder(join(home.runner, 'logs'))
  writeFileSync(join(home.runner, 'logs', 'daemon.log'), line('bob has started'))
  assert.deepEqual(said(logOf({})).toSorted(), ['bob has started', 'one', 'three', 'two'])
  assert.deepEqual(said(logOf({}, true)).toSorted(), ['one', 'three', 'two'], 'an isolated guest sees nothing of others')
  assert.deepEqual(logOf({ level: 'warn' }).lines, [
    { time: '2026-01-01T00:00:00.000Z', level: 'warn', role: 'guest', msg: 'two', more: { ms: 3 } },
  ])
  assert.deepEqual(said(logOf({ turn: 't', role: ['guest'] })), ['one'])
  writeFileSync(join(workspace.logs, 'guest.log'), Buffer.from([0xff, 0xfe, 0x00, 0x0a]))
  assert.equal(logOf({ role: ['guest'] }).lines.length, 1)
  writeFileSync(join(workspace.logs, 'guest.log'), line('x'.repeat(maxShownLogLine * 2), { more: 'y'.repeat(maxShownLogLine) }).repeat(400))
  const { lines } = logOf({ lines: 5_000, role: ['guest'] })
  assert.deepEqual([lines[0]!.msg.length, lines[0]!.more], [maxShownLogLine, { cut: true }])
  assert.ok(lines.length > 100 && JSON.stringify(lines).length <= maxShownLogBytes + 2, String(lines.length))
})

test('users are listed with what their guests belong to, and no token', async () => {
  openWorkspace(home, parseUser('bob'))
  writeFileSync(join(workspace.ipc, 'gateway.json'), '{"url": 1}')
  writeFileSync(join(workspace.ipc, 'token'), 'the token')
  const users = (await ask({ ask: 'users' })) as readonly HostUser[]
  assert.deepEqual(
    users.map(({ user, state, by, is_you: isYou }) => [user, state, by, isYou]),
    [
      ['ada', 'stopped', 'nobody', true],
      ['bob', 'stopped', 'nobody', false],
    ],
  )
  assert.doesNotMatch(JSON.stringify(users), /the token/)
})

test('a guest that this process does not serve is not stopped, and its process is not ended', async () => {
  writeFileSync(join(workspace.ipc, 'serve.json'), JSON.stringify({ pid: process.pid, guest: process.pid }))
  await assert.rejects(ask({ ask: 'stop' }) as Promise<unknown>, { code: 'workspace_busy' })
})

test('an isolated guest reads, and changes nothing', async () => {
  assert.deepEqual(await ask({ ask: 'installed_plugins' }, true), [])
  const changes: readonly HostQuestion[] = [
    { ask: 'look_at_plugin', source: '/etc' },
    { ask: 'install_plugin', source: '/etc', hash: '0' },
    { ask: 'change_plugin', plugin: 'hello', change: 'enable' },
  ]
  for (const question of changes) await assert.rejects(ask(question, true) as Promise<unknown>, { code: 'denied' })
})

test('what is no question is refused before it is answered', () => {
  for (const question of [
    { ask: 'log', wish: { ...logWish.parse({}), lines: 1e9 } },
    { ask: 'log', wish: { ...logWish.parse({}), role: ['../etc'] } },
    { ask: 'change_plugin', plugin: 'hello', change: 'sudo' },
    { ask: 'look_at_plugin', source: 'x'.repeat(10_000) },
    { ask: 'stop', pid: 1 },
  ])
    assert.equal(hostQuestionSchema.safeParse(question).success, false, JSON.stringify(question).slice(0, 60))
})

test('plugins that are not there, or cannot be installed, are named', async () => {
  await assert.rejects(ask({ ask: 'change_plugin', plugin: 'hello', change: 'enable' }) as Promise<unknown>, { code: 'not_found' })
  await assert.rejects(ask({ ask: 'change_plugin', plugin: 'hello', change: 'revert' }) as Promise<unknown>, { code: 'not_found' })
  await assert.rejects(ask({ ask: 'look_at_plugin', source: join(root, 'none') }) as Promise<unknown>, OxbowError)
})
