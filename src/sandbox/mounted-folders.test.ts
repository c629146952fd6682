import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from './sandbox-fixture.ts'

const options = { signal: new AbortController().signal, timeoutMs: 20_000 }

test('folders of the person are mounted in /shared, a read-only one cannot be changed, and hooks of their repositories neither', async () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-mounts-')))
  // As root, hands have a uid of their own, which must be able to write here.
  for (const name of ['', 'site', 'site/.git', 'site/.git/hooks', 'papers']) {
    mkdirSync(join(root, name), { recursive: true })
    chmodSync(join(root, name), 0o777)
  }
  for (const name of ['site/.git/HEAD', 'site/.git/config', 'papers/a.txt']) writeFileSync(join(root, name), 'x')
  const mounts = [
    { name: 'site', path: join(root, 'site'), readOnly: false },
    { name: 'papers', path: join(root, 'papers'), readOnly: true },
  ]
  try {
    await using bench = await makeWorkbench({ mounts })
    const hands = await bench.sandbox.hands('work')
    const exec = async (command: string): Promise<number | null> => {
      const input = { command, cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
      return (await hands.ask('exec', input, options)).exitCode
    }
    assert.equal(await exec('mkdir site/sub && echo new > site/sub/b.txt'), 0)
    assert.equal(readFileSync(join(root, 'site/sub/b.txt'), 'utf8'), 'new\n')
    assert.notEqual(await exec('echo x > papers/a.txt'), 0)
    assert.notEqual(await exec('echo x > site/.git/hooks/pre-commit'), 0)
    assert.notEqual(await exec('mv site/.git site/old'), 0)
    const input = { path: '/shared', since: '', offset: 0, maxEntries: 100, maxFileBytes: 1_000, ignore: [] }
    const { entries } = await hands.ask('snapshot', input, options)
    assert.deepEqual(
      entries.map(({ path }) => path),
      ['site/sub/b.txt'],
      'versions cover what agents may change',
    )
    const name = Buffer.alloc(1_024)
    await hands.ask('unpack', { path: '/shared/site', transfer: 't', offset: 0, content: name, last: true, overwrite: true }, options)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
