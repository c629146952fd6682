/** The container tier without root, in an account of its own: see plain-podman-suite.ts. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import { openPlainAccount, withoutPlainAccount } from './plain-user-account.ts'

const without = withoutContainers() || withoutPlainAccount()

describe('podman without root', { skip: without }, () => {
  it('does what every sandbox and every container must, and says which limits are missing', { timeout: 600_000 }, async (t) => {
    await using account = await openPlainAccount()
    const suite = join(import.meta.dirname, 'plain-podman-suite.ts')
    if ((await account.run('--check', suite)).exitCode !== 0) {
      return t.skip('a plain user cannot read these sources or Node: put the repository below a folder that all may enter')
    }
    const { exitCode, said } = await account.run('--test', '--test-isolation=none', '--test-reporter=spec', suite)
    assert.equal(exitCode, 0, said)
    // A run without tests succeeds, too.
    assert.match(said, /kill means kill: podman without root/)
    assert.doesNotMatch(said, /^\S* skipped [1-9]/m)
  })
})
