import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { knowing } from '../kernel-fixture.ts'
import { createCleaner } from './cleaning.ts'

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
