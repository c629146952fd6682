import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { UserId } from '../base/index.ts'
import type { DoctorCheck, SandboxStatus } from '../protocol/index.ts'
import type { GuestEnvelope } from '../config/index.ts'
import { parseConfig } from '../services/index.ts'
import { createHealthProbe } from './health-checks.ts'

const working: SandboxStatus = {
  asked: 'process',
  tier: 'process',
  provider: 'bubblewrap',
  files: true,
  shell: true,
  profiles: ['work'],
  problem: null,
  limits: [],
  degraded: [],
}

function workspace(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "oxbow-it's-"))
  t.after(() => rmSync(root, { recursive: true }))
  for (const folder of ['internal', 'ipc', 'vault', 'shared']) mkdirSync(join(root, folder), { mode: 0o700 })
  writeFileSync(join(root, 'ipc/token'), 'x', { mode: 0o600 })
  return root
}

const envelopeOf = (workspaceRoot: string, more: Partial<GuestEnvelope> = {}): GuestEnvelope => ({
  user: 'ada' as UserId,
  workspaceRoot,
  config: parseConfig({}, 'this test'),
  insecure: false,
  version: '1.2.3',
  keys: {},
  ...more,
})

async function checks(envelope: GuestEnvelope, part: 'guest' | 'model' | 'machine', status = working): Promise<Map<string, DoctorCheck>> {
  const found = new Map<string, DoctorCheck>()
  for await (const check of createHealthProbe(envelope, () => status)(part)) found.set(check.name, check)
  return found
}

test('permissions of private files are checked, and the command that mends them is one for a shell', async (t) => {
  const root = workspace(t)
  assert.equal((await checks(envelopeOf(root), 'guest')).get('permissions')?.state, 'ok')
  chmodSync(root, 0o755)
  assert.equal((await checks(envelopeOf(root), 'guest')).get('permissions')?.state, 'ok', 'the folders in it are closed')
  chmodSync(join(root, 'ipc'), 0o755)
  chmodSync(join(root, 'ipc/token'), 0o644)
  const { state, says, fix } = (await checks(envelopeOf(root), 'guest')).get('permissions')!
  assert.deepEqual([state, says], ['weak', 'others on this machine can open ipc, ipc/token'])
  assert.ok(fix.startsWith("chmod -R go-rwx '") && fix.includes(String.raw`it'\''s`), fix)
})

test('the sandbox, the versions and the disk are named, and what is wrong with them', async (t) => {
  const envelope = envelopeOf(workspace(t))
  const found = await checks(envelope, 'guest')
  assert.deepEqual([...found.keys()], ['sandbox', 'versions', 'disk space', 'permissions'])
  assert.match(found.get('versions')!.says, /^Oxbow 1\.2\.3, Node v\d+/)
  assert.match(found.get('disk space')!.says, /GB are free$/)
  const states = await Promise.all(
    [
      working,
      { ...working, tier: 'insecure' as const },
      { ...working, asked: 'container' as const },
      { ...working, degraded: ['memory: no writable cgroup'] },
      {
        ...working,
        tier: 'none' as const,
        problem: { code: 'sandbox_missing' as const, message: 'No bwrap.', hint: 'apt install bubblewrap' },
      },
    ].map(async (status) => (await checks(envelope, 'guest', status)).get('sandbox')!),
  )
  assert.deepEqual(
    states.map(({ state }) => state),
    ['ok', 'weak', 'weak', 'weak', 'missing'],
  )
  assert.equal(states.at(-1)!.fix, 'apt install bubblewrap')
})

test('a guest without a model, and one whose service is gone, say what to do', async (t) => {
  const root = workspace(t)
  const none = (await checks(envelopeOf(root), 'model')).get('model')!
  assert.deepEqual([none.state, none.fix], ['weak', 'Set one up: `oxbow init`.'])
  const config = parseConfig({ model: { provider: 'openai', name: 'gpt-x', base_url: 'http://127.0.0.1:9/v1' } }, 'this test')
  const gone = (await checks(envelopeOf(root, { config }), 'model')).get('model')!
  assert.equal(gone.state, 'missing')
  assert.match(gone.says, /^openai\/gpt-x: http:\/\/127\.0\.0\.1:9 cannot be reached/)
})

test('an old Node and a full disk are found', async (t) => {
  const { versions } = process
  t.after(() => Object.defineProperty(process, 'versions', { value: versions }))
  Object.defineProperty(process, 'versions', { value: { ...versions, node: '22.11.0' } })
  // A file system without a free block, everywhere.
  const found = await checks(envelopeOf('/proc'), 'guest')
  assert.deepEqual([found.get('versions')?.state, found.get('versions')?.fix], ['weak', 'Install Node 24 or newer.'])
  if (process.platform === 'linux')
    assert.deepEqual([found.get('disk space')?.state, found.get('disk space')?.says], ['missing', '0.0 of 0.0 GB are free'])
})
