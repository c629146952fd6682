/** `oxbow doctor` from end to end: the real program, on this machine and on one without bubblewrap. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { errorTable } from '../../base/index.ts'
import type { DoctorCheck } from '../../protocol/index.ts'
import { configSchema } from '../../services/index.ts'
import { tierAttempts } from '../../sandbox/doctor/tier-attempts.ts'
import { describeCheck, describeVerdict } from './doctor.ts'
import { checkNames } from './known-names.ts'
import { program } from '../../../test/support/built.ts'

const check: DoctorCheck = { name: 'process tier', state: 'ok', says: 'bubblewrap', fix: '', required: true, ms: 5 }

describe('oxbow doctor', () => {
  let home = ''
  before(() => {
    home = mkdtempSync(join(tmpdir(), 'oxbow-doctor-verb-'))
  })
  after(() => rmSync(home, { recursive: true }))

  const oxbow = async (args: readonly string[], more: Record<string, string> = {}): Promise<{ exit: number | null; out: string }> => {
    const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home, TMPDIR: join(home, 'tmp'), ...more }
    mkdirSync(env.TMPDIR, { recursive: true })
    const child = spawn(process.execPath, [program, ...args], { env, cwd: home, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    return new Promise((resolve) => child.once('close', (exit) => resolve({ exit, out })))
  }

  it('reports the configured tier, tests everything else too, and leaves nothing behind', { timeout: 200_000 }, async () => {
    const { exit, out } = await oxbow(['doctor', '--json'])
    const { works, checks } = JSON.parse(out) as { works: boolean; checks: DoctorCheck[] }
    assert.deepEqual([exit, works], [0, true], out)
    const stateOf = (name: string) => checks.find((each) => each.name === name)?.state
    for (const name of ['process tier', 'system calls', 'sockets', 'privileges', 'way out', 'WASM tools', 'configuration'])
      assert.equal(stateOf(name), 'ok', name)
    for (const name of ['folders', 'private files', 'leftovers', 'port', 'database', 'clock', 'versions'])
      assert.equal(stateOf(name), 'ok', name)
    assert.ok(stateOf('model'))
    for (const name of ['container tier', 'gVisor tier', 'micro_vm tier', 'limits', 'terminals', 'browser']) assert.ok(stateOf(name), name)
    for (const { state, fix, name } of checks) assert.equal(fix === '', state === 'ok', name)
    assert.deepEqual(readdirSync(join(home, 'tmp')), [])
    // That there is no journal yet is an answer, and no error of this home.
    assert.equal(readFileSync(join(home, 'users/default/logs/guest.stderr.log'), 'utf8'), '')
  })

  it('says what to do about a missing tier, and exits with the code of a missing sandbox', { timeout: 200_000 }, async () => {
    writeFileSync(join(home, 'config.toml'), '[sandbox]\ntier = "micro_vm"\n[sandbox.micro_vm]\nimage = "/nowhere"\n')
    const { exit, out } = await oxbow(['doctor'])
    rmSync(join(home, 'config.toml'))
    assert.equal(exit, errorTable.sandbox_missing.exit, out)
    assert.match(out, /^missing +micro_vm tier .*\n +→ \S/m)
    assert.match(out, /agents have no files and no commands/)
  })

  it('has a row for an isolated guest where one is configured, without which nothing starts', { timeout: 200_000 }, async () => {
    writeFileSync(join(home, 'config.toml'), '[sandbox]\nisolate_guest = true\ncontainer.image = "localhost/oxbow/nowhere"\n')
    // Also where there is an engine for containers.
    const { exit, out } = await oxbow(['doctor'])
    rmSync(join(home, 'config.toml'))
    assert.equal(exit, errorTable.sandbox_missing.exit, out)
    assert.match(out, /^missing +isolated guest .*\n +→ .*sandbox\.isolate_guest = false/m)
    assert.match(out, /^Oxbow cannot start: see isolated guest above\./m)
  })

  it('reports a configuration that cannot be used, and what it finds without one', async () => {
    writeFileSync(join(home, 'config.toml'), '[model\n')
    const { exit, out } = await oxbow(['doctor', '--json'])
    rmSync(join(home, 'config.toml'))
    const { works, checks } = JSON.parse(out) as { works: boolean; checks: DoctorCheck[] }
    assert.deepEqual([exit, works], [errorTable.bad_config.exit, false])
    assert.deepEqual(
      checks.map(({ name, state }) => `${name} ${state}`),
      ['folders ok', 'private files ok', 'leftovers ok', 'configuration missing'],
    )
  })
})

describe('a home in which something is wrong', () => {
  let home = ''
  before(() => (home = mkdtempSync(join(tmpdir(), 'oxbow-doctor-faults-'))))
  after(() => rmSync(home, { recursive: true }))

  const oxbow = (args: readonly string[], more: Record<string, string> = {}): { exit: number | null; out: string } => {
    const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home, ...more }
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      env,
      cwd: home,
      encoding: 'utf8',
      timeout: 120_000,
    })
    return { exit: status, out: stdout + stderr }
  }
  it('is told: a clock that was set back, and a database that is damaged', { timeout: 300_000 }, () => {
    assert.match(oxbow(['run', '--insecure', '--model', 'offline', '2+2']).out, /= 4/)
    const yesterday = join(home, 'yesterday.mjs')
    writeFileSync(yesterday, 'const now = Date.now\nDate.now = () => now() - 86_400_000\n')
    const { out: early } = oxbow(['doctor'], { NODE_OPTIONS: `--import=${yesterday}` })
    assert.match(early, /^weak +clock +the newest record is from .*, and the clock says .*\n +→ Set the clock/m)
    const file = join(home, 'users/default/internal/oxbow.db')
    const bytes = readFileSync(file)
    writeFileSync(file, bytes.fill(0xa5, 4_096, bytes.length))
    rmSync(`${file}-wal`, { force: true })
    const { exit, out } = oxbow(['doctor'])
    assert.equal(exit, errorTable.store_failed.exit, out)
    assert.match(out, /^missing +database .*\n +→ \S/m)
    assert.match(out, /^Oxbow cannot start: see database above\./m)
  })
})

describe('the names in a configuration', () => {
  const calls = [
    { name: 'file.read', right: 'file.read' },
    { name: 'web.fetch', right: 'web.read' },
  ]
  const names = (more: object) => checkNames(configSchema.parse({ agent: { rights: ['file.read'] }, ...more }), calls)

  it('are valid if each is a call or a right', () => {
    const rules = { approval: { rights: { 'web.read': 'ask' }, calls: { 'file.read': 'deny' } }, flow: { sinks: { 'web.fetch': {} } } }
    assert.deepEqual([names({}).state, names(rules).state], ['ok', 'ok'])
  })

  it('may be limited or denied, and of an installed plugin', () => {
    const rights = ['file.read:/shared/reports', '!file.read:/shared/private', 'plugin.hello', 'mcp.weather']
    const rules = { agent: { rights }, approval: { calls: { 'hello.greet': 'ask' } } }
    assert.equal(checkNames(configSchema.parse(rules), calls, ['hello']).state, 'ok')
    assert.match(
      checkNames(configSchema.parse(rules), calls).says,
      /^agent\.rights names "plugin\.hello", approval\.calls names "hello\.greet", /,
    )
  })

  it('are reported if nothing has them, because such a rule has no effect', () => {
    const { state, says, fix } = names({
      approval: { rights: { 'web.reed': 'ask' }, calls: { 'file.raed': 'deny' } },
      flow: { sinks: { x: {} } },
      a2a: { agents: { helper: { description: 'Helps.', rights: ['file.reda'] } } },
    })
    assert.equal(state, 'weak')
    assert.match(
      says,
      /^a2a\.agents\.helper\.rights names "file\.reda" \(Did you mean file\.read\?\), approval\.rights names "web\.reed" \(Did you mean web\.read\?\), approval\.calls names "file\.raed" \(Did you mean file\.read\?\), flow\.sinks names "x", /,
    )
    assert.match(fix, /oxbow calls/)
  })
})

describe('the findings as text', () => {
  it('are in columns, with what to do below', () => {
    assert.deepEqual(describeCheck({ ...check, state: 'weak', fix: 'do this' }), [
      'weak    process tier     bubblewrap  (sandbox.tier)',
      '                         → do this',
    ])
  })

  it('name the tier that is configured, also with gVisor', () => {
    for (const kernel of ['runc', 'gvisor'] as const) {
      const { sandbox, browser } = configSchema.parse({ sandbox: { tier: 'container', container: { kernel } } })
      const [configured, ...others] = tierAttempts({ workspaceRoot: '', limits: sandbox, browser }).filter(({ required }) => required)
      assert.deepEqual(others, [])
      const found: DoctorCheck = { ...check, name: configured!.name }
      assert.match(describeCheck(found)[0]!, /\(sandbox\.tier\)$/)
      assert.equal(describeVerdict([found]), `The configured ${kernel === 'runc' ? 'container' : 'gVisor'} tier works.`)
    }
  })

  it('begin with whether agents can work, then what is missing', () => {
    const other: DoctorCheck = { ...check, name: 'browser', state: 'missing', required: false }
    assert.equal(describeVerdict([check, other]), 'The configured process tier works. Not here: browser.')
    assert.match(describeVerdict([{ ...check, state: 'missing' }]), /does not work/)
  })
})
