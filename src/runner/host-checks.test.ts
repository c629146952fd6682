/** What the host finds before anything is opened, and what it mends. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { UserId } from '../base/index.ts'
import { parseConfig } from '../services/index.ts'
import { checkHost, checkPort, type HostCheck } from './host-checks.ts'
import { openHome, openWorkspace } from './home.ts'

const user = 'ada' as UserId
/** Above the highest process id of any system. */
const noPid = 2 ** 30
let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oxbow-host-checks-'))
})

afterEach(() => rmSync(root, { recursive: true }))

const check = (): readonly HostCheck[] => checkHost({ OXBOW_HOME: root }, user)
const states = (): Readonly<Record<string, string>> => Object.fromEntries(check().map(({ name, state }) => [name, state]))
const mendAll = (): void => check().forEach(({ mend }) => mend?.run())
const allWell = { folders: 'ok', 'private files': 'ok', leftovers: 'ok' }

function workspace(): string {
  return openWorkspace(openHome({ OXBOW_HOME: root }), user).root
}

test('nothing is wrong with a home that was just opened, or that is not there yet', () => {
  workspace()
  assert.deepEqual(states(), allWell)
  const gone = join(root, 'gone')
  assert.deepEqual(
    checkHost({ OXBOW_HOME: gone }, user).map(({ state }) => state),
    ['ok', 'ok', 'ok'],
  )
  assert.equal(existsSync(gone), false)
})

test('a missing folder is created again', () => {
  const tmp = join(workspace(), 'tmp')
  rmSync(tmp, { recursive: true })
  assert.equal(states()['folders'], 'weak')
  mendAll()
  assert.equal(statSync(tmp).isDirectory(), true)
  assert.deepEqual(states(), allWell)
})

test('files that others may read are closed, and keep what their owner may do', () => {
  const place = workspace()
  const token = join(place, 'ipc', 'token')
  writeFileSync(token, 'x')
  chmodSync(token, 0o644)
  chmodSync(place, 0o755)
  const [found] = check().filter(({ state }) => state !== 'ok')
  assert.match(found?.says ?? '', /^others may read .*users\/ada, .*ipc\/token$/)
  mendAll()
  assert.deepEqual([statSync(token).mode & 0o777, statSync(place).mode & 0o777], [0o600, 0o700])
  assert.deepEqual(states(), allWell)
})

test('what processes left that are gone is removed, and nothing of those that live', () => {
  const place = workspace()
  const [dead, alive, damaged] = ['gateway.json', 'serve.json', 'gateway.json'].map((name) => join(place, 'ipc', name))
  writeFileSync(dead!, JSON.stringify({ pid: noPid, url: 'http://127.0.0.1:1' }), { mode: 0o600 })
  writeFileSync(alive!, JSON.stringify({ pid: process.pid, guest: process.pid }), { mode: 0o600 })
  const draft = join(root, `.config.toml.${noPid}`)
  const draftOfNow = join(root, `.config.toml.${process.pid}`)
  for (const path of [draft, draftOfNow]) writeFileSync(path, '', { mode: 0o600 })
  mendAll()
  assert.deepEqual(
    [dead, alive, draft, draftOfNow].map((path) => existsSync(path!)),
    [false, true, false, true],
  )
  writeFileSync(damaged!, '{', { mode: 0o600 })
  assert.equal(states()['leftovers'], 'weak')
})

test('a configured port is reported if another program uses it', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const config = parseConfig({ gateway: { port } }, 'the test')
  const taken = await checkPort(config, null)
  assert.equal(taken.state, 'missing')
  assert.match(taken.says, new RegExp(`another program uses 127\\.0\\.0\\.1:${port}`))
  assert.equal((await checkPort(config, `http://127.0.0.1:${port}`)).state, 'ok')
  assert.equal((await checkPort(parseConfig({}, 'the test'), null)).state, 'ok')
})
