import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lockedPackages } from './server-programs.ts'

const entry = { version: '1.2.3', integrity: 'sha512-AAAA', resolved: 'https://registry.npmjs.org/x.tgz' }
const lockOf = (more: object): string => JSON.stringify({ packages: { '': {}, 'node_modules/@a/x': { ...entry, ...more } } })

describe('the packages of a lock file', () => {
  it('are listed with what pins them', () => {
    assert.deepEqual(lockedPackages(lockOf({ hasInstallScript: true })), [
      { name: '@a/x', version: '1.2.3', integrity: 'sha512-AAAA', has_scripts: true },
    ])
  })

  it('are refused when they come from no registry or nothing pins them', () => {
    for (const more of [
      { resolved: 'git+ssh://example.com/x' },
      { resolved: 'file:../x' },
      { integrity: '' },
      { integrity: 'md5-x' },
      { link: true },
    ])
      assert.throws(() => lockedPackages(lockOf(more)), { code: 'denied' }, JSON.stringify(more))
  })
})
