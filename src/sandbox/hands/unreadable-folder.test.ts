import assert from 'node:assert/strict'
import { it } from 'node:test'
import { asker } from '../sandbox-contract.ts'
import { makeWorkbench } from '../sandbox-fixture.ts'

it('what is written into a folder that cannot be read is written, and said to be', async () => {
  const { sandbox, remove } = await makeWorkbench()
  const ask = asker(sandbox)
  const exec = { cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
  try {
    await ask('exec', { ...exec, command: 'mkdir box; chmod 333 box; echo x > a' })
    assert.equal((await ask('write', { path: '/shared/box/new', text: 'new' })).created, true)
    assert.deepEqual(await ask('move', { from: '/shared/a', to: '/shared/box/a', overwrite: false }), { kind: 'file', replaced: false })
    const { stdout } = await ask('exec', { ...exec, command: 'cat box/new box/a' })
    assert.equal(stdout, 'newx\n')
  } finally {
    await sandbox.close()
    await remove()
  }
})
