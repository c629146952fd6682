/** Each check of a home that is open, with its fault planted. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock, type UserId } from '../base/index.ts'
import type { DoctorCheck } from '../protocol/index.ts'
import { loadConfig } from './config/config-layers.ts'
import { openHeadSigner } from './heads/head-signing.ts'
import { checkHome } from './home-checks.ts'
import { type Home, openHome, openWorkspace, type Workspace } from './home.ts'
import { makeMasterKeys } from './master-keys.ts'

const user = 'ada' as UserId

interface Place {
  readonly home: Home
  readonly workspace: Workspace
  check(name: string, env?: Readonly<Record<string, string>>): Promise<DoctorCheck>
}

function open(t: TestContext, more: Readonly<Record<string, string>> = {}): Place {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-home-checks-'))
  t.after(() => rmSync(root, { recursive: true }))
  const home = openHome({ OXBOW_HOME: root, OXBOW_MACHINE_CONFIG: join(root, 'machine.toml'), ...more })
  const workspace = openWorkspace(home, user)
  return {
    home,
    workspace,
    async check(name, env = {}) {
      const found: DoctorCheck[] = []
      for await (const check of checkHome({ home, workspace, config: loadConfig(home, workspace), env })) found.push(check)
      const [check] = found.filter((each) => each.name === name)
      assert.ok(check !== undefined, name)
      assert.equal(check.fix === '', check.state === 'ok')
      return check
    },
  }
}

const head = (seq: number): { seq: number; hash: string } => ({ seq, hash: String(seq).padStart(64, '0') })

void test('layers: the files and variables that count are named, and a key that nothing is called', async (t) => {
  const place = open(t, { OXBOW__TURN__MAX_RUNNING: '7' })
  writeFileSync(join(place.home.root, 'config.toml'), '[turn]\nmax_running = 5\n')
  const { state, says } = await place.check('layers')
  assert.deepEqual([state, says], ['ok', `defaults < ${join(place.home.root, 'config.toml')} < OXBOW__TURN__MAX_RUNNING`])
  writeFileSync(join(place.workspace.root, 'config.toml'), '[turn]\nmax_runing = 5\n')
  const odd = await place.check('layers')
  assert.equal(odd.state, 'weak')
  assert.match(odd.says, /users\/ada\/config\.toml, line 2, turn\.max_runing: unknown key; did you mean max_running\? It has no effect\.$/)
})

void test('keys: a damaged key file, a damaged signing key, and an encrypted store without its key', async (t) => {
  const place = open(t)
  assert.equal((await place.check('keys')).state, 'ok')
  makeMasterKeys({ home: place.home, user, config: loadConfig(place.home, place.workspace), env: {} })
  assert.match((await place.check('keys')).says, /can be read/)
  const file = join(place.home.runner, 'keys', 'ada.json')
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 20))
  assert.equal((await place.check('keys')).state, 'weak')
  rmSync(file)
  writeFileSync(join(place.home.runner, 'signing-key.pem'), 'not a key')
  assert.match((await place.check('keys')).says, /is not a signing key/)
  rmSync(join(place.home.runner, 'signing-key.pem'))
  writeFileSync(join(place.home.root, 'config.toml'), '[store]\nencrypt = true\n')
  writeFileSync(join(place.workspace.root, 'internal', 'oxbow.db'), '')
  assert.equal((await place.check('keys')).state, 'missing')
})

void test('signed heads: none, whole ones, a changed one, one that was cut off, and their key gone', async (t) => {
  const place = open(t)
  assert.match((await place.check('signed heads')).says, /none yet/)
  const signer = openHeadSigner(place.home, user, systemClock)
  for (const seq of [1, 2, 3]) assert.equal(signer.sign(head(seq)), null)
  signer.close()
  const whole = await place.check('signed heads')
  assert.equal(whole.state, 'ok')
  assert.match(whole.says, /the newest over record 3$/)
  const file = join(place.home.runner, 'heads', 'ada.jsonl')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('"seq":2', '"seq":5'))
  assert.match((await place.check('signed heads')).says, /do not hold/)
  writeFileSync(file, `${text.trimEnd().split('\n').slice(0, -1).join('\n')}\n`)
  assert.equal((await place.check('signed heads')).state, 'missing')
  writeFileSync(file, text)
  rmSync(join(place.home.runner, 'signing-key.pem'))
  assert.match((await place.check('signed heads')).says, /the key that has signed them is gone/)
})

void test('plugins.lock: one that was not signed here', async (t) => {
  const place = open(t)
  assert.match((await place.check('plugins.lock')).says, /none is installed/)
  writeFileSync(join(place.home.root, 'plugins.lock'), '{"format":1,"plugins":[{"enabled":true}]}')
  assert.equal((await place.check('plugins.lock')).state, 'weak')
})

void test('logs: their size, and the newest error of the last day', async (t) => {
  const place = open(t)
  const line = (time: number, level: string, msg: string): string =>
    `${JSON.stringify({ time: new Date(time).toISOString(), level, role: 'guest', msg })}\n`
  appendFileSync(
    join(place.workspace.logs, 'guest.log'),
    line(Date.now() - 3 * 86_400_000, 'fatal', 'long ago') + line(Date.now(), 'warn', 'not so bad'),
  )
  assert.match((await place.check('logs')).says, /0\.0 MB, no error/)
  mkdirSync(join(place.home.runner, 'logs'))
  appendFileSync(join(place.home.runner, 'logs', 'daemon.log'), line(Date.now(), 'error', 'the daemon fell over\nat x'))
  const { state, says } = await place.check('logs')
  assert.equal(state, 'weak')
  assert.match(says, /^1 errors within a day, the newest: the daemon fell over$/)
})
