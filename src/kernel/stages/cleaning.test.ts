import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createCleaner } from './cleaning.ts'

const secrets = new Map([
  ['KEY', 'private.0123'],
  ['ODD', 'quo"te\\$&-xyz'],
  ['SHORT', 'word'],
])
const cleaner = createCleaner({ workspaceRoot: '/home/ada/ws', secrets, keep: async () => 'hash' })

void describe('a secret', () => {
  void it('is replaced by its handle everywhere, also escaped in JSON', () => {
    assert.equal(cleaner.hideSecrets('a private.0123b private.0123'), 'a [secret:KEY]b [secret:KEY]')
    assert.equal(cleaner.hideSecrets('say quo"te\\$&-xyz'), 'say [secret:ODD]')
    assert.equal(cleaner.hideSecrets(JSON.stringify({ x: 'quo"te\\$&-xyz' })), '{"x":"[secret:ODD]"}')
    assert.equal(cleaner.hideSecrets('a word'), 'a word', 'one that short would blank out ordinary words')
  })

  void it('is hidden in raw bytes without changing anything else', () => {
    assert.equal(cleaner.hideSecrets('/home/ada/ws/shared/a'), '/home/ada/ws/shared/a')
    assert.equal(cleaner.scrub('/home/ada/ws/shared/a private.0123'), '/shared/a [secret:KEY]')
    const bytes = Buffer.from('nothing here')
    assert.equal(cleaner.hideSecretBytes(bytes), bytes)
  })

  void it('and a host path are removed from the message of a sandbox that does not start', () => {
    const said = "bwrap: Can't find source path /home/ada/ws/vault, ENOENT '/home/ada/ws/internal/x' in /home/ada/ws but /home/ada/wsx"
    assert.equal(
      cleaner.scrub(said),
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

  void it('never passes in bytes, whatever surrounds it, and the rest is unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom(...secrets.keys()), fc.uint8Array(), (before, name, after) => {
        const secret = Buffer.from(secrets.get(name) ?? '')
        const hidden = cleaner.hideSecretBytes(Buffer.concat([before, secret, after]))
        const expected = name === 'SHORT' ? secret : Buffer.from(`[secret:${name}]`)
        assert.deepEqual(hidden, Buffer.concat([before, expected, after]))
      }),
    )
  })
})
