/** Three built versions, each with a step of the tables more: up, work, down, work; with faults in the new one, and killed at every step. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Change } from '../../src/runner/upgrade/change.ts'
import { isFull } from '../support/scale.ts'
import { builtVersion, packVersions, type Releases } from './built-versions.ts'
import { versionedHome, type VersionedHome } from './upgrade-fixture.ts'

let folder = ''
let sound: Releases

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'oxbow-releases-'))
  sound = packVersions(join(folder, 'sound'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

async function say(home: VersionedHome, text: string): Promise<void> {
  const { exit, err } = await home.oxbow('run', '--model', 'offline', text)
  assert.equal(exit, 0, err)
}

async function titles(home: VersionedHome): Promise<readonly unknown[]> {
  const { out } = await home.oxbow('sessions', '--json')
  return out
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { title: string }).title)
    .toSorted()
}

async function assertSound(home: VersionedHome, version: string): Promise<void> {
  assert.equal((await home.oxbow('--version')).out.trim(), version)
  const { exit, out, err } = await home.oxbow('audit', 'verify')
  assert.equal(exit, 0, out + err)
}

void test('versions go up and down, and what was said in each of them stays', async () => {
  await using home = versionedHome(sound)
  await say(home, 'in 0.1.0')
  assert.equal((await home.oxbow('start')).exit, 0)
  const tried = await home.json('upgrade', '0.2.0', '--dry-run')
  assert.deepEqual([tried['from'], tried['to'], tried['state']], ['0.1.0', '0.2.0', 'rehearsed'])
  await assertSound(home, '0.1.0')
  assert.equal((await home.json('upgrade', '0.2.0'))['state'], 'done')
  await assertSound(home, '0.2.0')
  const status = await home.json('status')
  assert.deepEqual([status['version'], status['running'], status['version_change']], ['0.2.0', true, null])
  await say(home, 'in 0.2.0')
  assert.equal((await home.json('upgrade'))['to'], '0.3.0')
  await say(home, 'in 0.3.0')
  assert.equal((await home.json('upgrade'))['state'], 'same')
  // A file that 0.3.0 has moved to its own version of the configuration.
  const file = join(home.folder, 'config.toml')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, `config_version = 4\n${text}`)
  const refused = await home.oxbow('downgrade', '0.1.0')
  assert.equal(refused.exit, 2)
  assert.match(
    refused.out,
    /0\.1\.0 cannot read:\n +The configuration: .* is of version 4 .*\n +Steps of the tables of default that are taken back: \d+ tried-two, \d+ tried-one\./,
  )
  assert.equal((await home.json('downgrade', '0.1.0', '--yes'))['state'], 'done')
  assert.equal(readFileSync(file, 'utf8'), `config_version = 2\n${text}`)
  await assertSound(home, '0.1.0')
  await say(home, 'in 0.1.0 again')
  const said = ['in 0.1.0', 'in 0.1.0 again', 'in 0.2.0', 'in 0.3.0']
  assert.deepEqual(await titles(home), said)
  // It is still there, so no package is needed.
  assert.equal((await home.json('upgrade', '0.3.0'))['state'], 'done')
  assert.deepEqual(await titles(home), said)
  await assertSound(home, '0.3.0')
})

void test('a version that fails on the copy of the home is not changed to', async () => {
  const guest = readFileSync(join(builtVersion('0.2.0'), 'dist', 'guest.js'), 'utf8')
  const broken = packVersions(join(folder, 'broken'), {
    '0.2.0': { 'dist/guest.js': `if (process.argv.includes('serve')) process.exit(3)\n${guest}` },
  })
  await using home = versionedHome(broken)
  await say(home, 'before')
  const { exit, err } = await home.oxbow('upgrade', '0.2.0')
  assert.equal(exit, 12)
  assert.match(err, /`oxbow run --model offline hello --user default` of 0\.2\.0: the guest ended \(exit code 3\)/)
  assert.match(
    String((await home.json('status'))['version_change']),
    /^The upgrade from 0\.1\.0 to 0\.2\.0 did not begin \(trying it on a copy\): /,
  )
  await assertSound(home, '0.1.0')
})

void test('a version that does not stay well is taken back within a minute, and status says why', async () => {
  const guest = readFileSync(join(builtVersion('0.2.0'), 'dist', 'guest.js'), 'utf8')
  // In the copy, it lives for the length of a turn.
  const early = `if (process.argv.includes('serve') && !process.cwd().includes('rehearsal')) setTimeout(() => process.exit(3), 900)\n${guest}`
  const frail = packVersions(join(folder, 'frail'), { '0.2.0': { 'dist/guest.js': early } })
  await using home = versionedHome(frail)
  await say(home, 'before')
  assert.equal((await home.oxbow('start')).exit, 0)
  const began = performance.now()
  const { exit, err } = await home.oxbow('upgrade', '0.2.0')
  assert.equal(exit, 12, err)
  assert.ok(performance.now() - began < 120_000)
  assert.match(err, /0\.2\.0 did not work \((?:health|start)\): .*0\.1\.0 is back\./s)
  const status = await home.json('status')
  assert.deepEqual([status['version'], status['running']], ['0.1.0', true])
  assert.match(String(status['version_change']), /^The upgrade from 0\.1\.0 to 0\.2\.0 failed .* 0\.1\.0 is back\.$/)
  await say(home, 'after')
  assert.deepEqual(await titles(home), ['after', 'before'])
  await assertSound(home, '0.1.0')
})

void test('the daemon ends before a change, and comes back as the other version with its guests', async (t) => {
  const program = join(builtVersion('0.1.0'), 'bin', 'oxbowd.js')
  if (!existsSync(program)) return t.skip('there is no oxbowd in this build')
  await using home = versionedHome(sound)
  await say(home, 'first')
  const env = { PATH: process.env['PATH'], HOME: home.folder, OXBOW_HOME: home.folder }
  const daemon = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(daemon.stdout, 'data')
  const pidOf = (): number => (JSON.parse(readFileSync(join(home.folder, 'runner', 'daemon.json'), 'utf8')) as { pid: number }).pid
  try {
    assert.equal((await home.oxbow('start')).exit, 0)
    for (const [kind, version] of [['upgrade', '0.2.0'] as const, ['downgrade', '0.1.0'] as const]) {
      const pidBefore = pidOf()
      assert.equal((await home.json(kind, version, ...(kind === 'downgrade' ? ['--yes'] : [])))['state'], 'done')
      assert.notEqual(pidOf(), pidBefore)
      const status = await home.json('status')
      assert.deepEqual([status['version'], status['running']], [version, true])
      await assertSound(home, version)
    }
  } finally {
    process.kill(pidOf(), 'SIGTERM')
    while (existsSync(join(home.folder, 'runner', 'daemon.json'))) await new Promise((resolve) => setTimeout(resolve, 50))
  }
})

const later: readonly Change['step'][] = ['drain', 'backup', 'switch', 'migrate', 'start', 'health']

void test('a change that is killed at any step leaves a home that works, and is finished by the same command', async () => {
  await using home = versionedHome(sound)
  await say(home, 'first')
  assert.equal((await home.oxbow('start')).exit, 0)
  const said = ['first']
  const works = async (words: string): Promise<void> => {
    assert.match(String((await home.json('status'))['version_change']), /was interrupted/, words)
    await say(home, words)
    said.push(words)
    assert.equal((await home.oxbow('audit', 'verify')).exit, 0, words)
  }
  assert.ok(await home.killedAt('rehearse', 'upgrade', '0.2.0'))
  await works('rehearse')
  assert.equal((await home.json('upgrade', '0.2.0'))['state'], 'done')
  for (const step of isFull ? later : ['migrate' as const, 'health' as const]) {
    for (const [kind, from, to] of [['downgrade', '0.2.0', '0.1.0'] as const, ['upgrade', '0.1.0', '0.2.0'] as const]) {
      // As a kill in its first step leaves it, so that it need not be rehearsed again.
      home.begin({ kind, from, to })
      assert.ok(await home.killedAt(step, kind), `${kind} came to ${step}`)
      await works(`${step} of ${kind}`)
      assert.equal((await home.json(kind))['state'], 'done', `${step} of ${kind}`)
      await assertSound(home, to)
    }
  }
  assert.deepEqual(await titles(home), said.toSorted())
})
