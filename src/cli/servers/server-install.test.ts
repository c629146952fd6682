import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import type { Terminal } from '../terminal.ts'
import { serversInstall } from './server-install.ts'

const entry = { version: '1.2.3', integrity: 'sha512-AAAA', resolved: 'https://registry.npmjs.org/x.tgz' }
const lockOf = (more: object): string => JSON.stringify({ packages: { '': {}, 'node_modules/@a/x': { ...entry, ...more } } })

describe('installing a server', () => {
  let home = ''
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'oxbow-install-'))
    // Stands for npm: it notes how it was called, and resolves.
    await writeFile(join(home, 'npm'), `#!/bin/sh\necho "$@" >> ${home}/calls\nprintf '%s' '${lockOf({})}' > package-lock.json\n`)
    await chmod(join(home, 'npm'), 0o700)
  })
  after(() => rm(home, { recursive: true }))
  const terminal = (): Terminal =>
    ({
      env: { HOME: home, OXBOW_HOME: home, PATH: `${home}:${process.env['PATH']}` },
      input: new PassThrough(),
      output: new PassThrough(),
      errors: new PassThrough(),
      version: '0',
    }) as unknown as Terminal

  it('fetches nothing before a person has seen the packages', async () => {
    const install = serversInstall('files', '@a/x@1.2.3', [], { user: 'default' }, terminal())
    await assert.rejects(install, ({ code, hint }) => code === 'approval_required' && /--digest [0-9a-f]{64}/.test(hint))
    assert.deepEqual(
      (await readdir(join(home, 'servers'))).filter((name) => name.startsWith('files')),
      [],
      'nothing stays',
    )
    const other = serversInstall('files', '@a/x@1.2.3', [], { user: 'default', digest: '0'.repeat(64) }, terminal())
    await assert.rejects(other, { code: 'denied' })
  })

  it('needs an exact version', async () => {
    for (const spec of ['@a/x', '@a/x@latest', '@a/x@^1.2.3', 'https://example.com/x.tgz', '../x', '--global@1.2.3 x'])
      await assert.rejects(serversInstall('files', spec, [], { user: 'default' }, terminal()), { code: 'bad_input' }, spec)
  })
})
