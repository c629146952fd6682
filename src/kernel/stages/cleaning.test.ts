import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createSecretUses } from '../../secrets/index.ts'
import type { Call } from '../../protocol/index.ts'
import { knowing, outputOf } from '../kernel-fixture.ts'
import { clean, createCleaner } from './cleaning.ts'

const secrets = knowing(new Map([['KEY', 'private.0123']]))
const cleaner = createCleaner({ workspaceRoot: '/home/ada/ws', secrets, keep: async () => 'hash' })

void describe('a secret', () => {
  void it('and a host path are replaced where they stand together', () => {
    assert.equal(cleaner.scrub('/home/ada/ws/shared/a private.0123'), '/shared/a [secret:KEY]')
  })

  void it('and a host path are removed from the message of a sandbox that does not start', () => {
    const message = "bwrap: Can't find source path /home/ada/ws/vault, ENOENT '/home/ada/ws/internal/x' in /home/ada/ws but /home/ada/wsx"
    assert.equal(
      cleaner.scrub(message),
      "bwrap: Can't find source path /vault, ENOENT '(workspace)/internal/x' in (workspace) but /home/ada/wsx",
    )
  })

  void it('and a host path are removed from a table of mounts, also where homes are a separate file system', () => {
    const installed = createCleaner({
      workspaceRoot: '/home/ada/.oxbow/users/ada',
      hostFolders: ['/home/ada/src/oxbow'],
      secrets,
      keep: async () => '',
    })
    assert.equal(
      installed.scrub('254:1 /ada/.oxbow/users/ada/shared /shared rw\n254:1 /ada/src/oxbow/node_modules/x/bin/node /opt/oxbow/node ro'),
      '254:1 /shared /shared rw\n254:1 (host)/node_modules/x/bin/node /opt/oxbow/node ro',
    )
    assert.equal(installed.scrub('0:32 /@home/ada/.oxbow/users/ada/ipc/x'), '0:32 /@home(workspace)/ipc/x')
    assert.equal(installed.scrub('/home/ada/src/oxbow-2 and /users/ada'), '/home/ada/src/oxbow-2 and /users/ada')
    const shallow = createCleaner({ workspaceRoot: '/home/ada/ws', hostFolders: ['/app'], secrets, keep: async () => '' })
    assert.equal(shallow.scrub('COPY . /app'), 'COPY . /app', 'a name that many texts have')
  })
})

void describe('an unknown secret in a list of others', () => {
  const token = 'q7Rk2VbX9mZt4LpW8sNc3HdF6yJg5TuA1eQo'
  const call = {
    name: 'test.list',
    right: 'file.read',
    audience: ['model'],
    labels: { adds: ['untrusted'], sink: false },
  } as unknown as Call
  const around: Readonly<Record<string, (value: string) => readonly string[]>> = {
    'long names': (value) => [`f${'/some/folder'.repeat(9)}`, value, `g${'/some/folder'.repeat(9)}`],
    'a name of digests': (value) => ['checksum', value],
    'an armour that others close': (value) => ['-----BEGIN CERTIFICATE-----', value, '-----END CERTIFICATE-----'],
  }
  for (const [what, list] of Object.entries(around))
    void it(`is found next to ${what}, as it is on its own`, () => {
      const use = createSecretUses(knowing(new Map())).begin(outputOf('test.list'), call, {}, [])
      assert.ok(!JSON.stringify(use.cleanValue(list(token), true)).includes(token))
      assert.ok(!JSON.stringify(use.record(list(token))).includes(token))
    })
})

void describe('a hint that names a host path', () => {
  const failure = {
    code: 'tool_failed',
    message: 'Others can open it: private.0123.',
    hint: "chmod go-rwx '/home/ada/ws/internal'",
  } as const
  const hintFor = async (actor: string, audience: Call['audience']): Promise<string> => {
    const call = { name: 'system.health', right: 'system.read', audience, labels: { adds: [], sink: false } } as unknown as Call
    const origin = outputOf('system.health')
    const use = createSecretUses(secrets).begin(origin, call, {}, [])
    const ran = { failure, cancelled: false, labels: [] }
    const outcome = await clean(cleaner, use, { caller: { actor, audience: 'terminal' }, call }, ran, [])
    assert.ok(outcome.status === 'failed' && !outcome.text.includes('private.0123'))
    return outcome.failure.hint
  }

  void it('names the real one to the owner, in what no model reads', async () => {
    assert.equal(await hintFor('user:ada', ['terminal']), failure.hint)
  })

  void it('names none to models, agents and programs', async () => {
    for (const [actor, audience] of [
      ['user:ada', ['terminal', 'model']],
      ['agent:ox', ['terminal']],
      ['key:ci', ['terminal']],
    ] as const)
      assert.equal(await hintFor(actor, audience), "chmod go-rwx '(workspace)/internal'", actor)
  })
})
