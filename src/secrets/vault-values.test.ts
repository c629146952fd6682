import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Sandbox } from '../protocol/index.ts'
import { createVaultReader, valuesIn, vaultThrough } from './vault-values.ts'

void describe('a file of the vault', () => {
  void it('is one value, or a list of variables without those that are no secrets', () => {
    assert.deepEqual(valuesIn('vault/t', 'hunter2-hunter2\n'), [['vault/t', 'hunter2-hunter2']])
    const text =
      '# of the database\nexport DB_PASSWORD="s3cr3t-s3cr3t"\nNODE_ENV=production\nURL=https://a.test/b\nDSN=pg://u:p4ssw0rd@h/d\nPORT=54321\n'
    assert.deepEqual(valuesIn('vault/.env', text), [
      ['vault/.env#DB_PASSWORD', 's3cr3t-s3cr3t'],
      ['vault/.env#DSN', 'pg://u:p4ssw0rd@h/d'],
    ])
    assert.deepEqual(valuesIn('vault/b', 'dG9rZW4tdG9rZW4='), [['vault/b', 'dG9rZW4tdG9rZW4=']])
  })

  void it('is read again when it changes, and not when it is large, binary or a link', () => {
    const folder = mkdtempSync(join(tmpdir(), 'oxbow-vault-'))
    try {
      let now = 0
      const reader = createVaultReader(folder, () => (now += 10_000))
      assert.equal(reader.changed(), null)
      mkdirSync(join(folder, 'sub'))
      writeFileSync(join(folder, 'sub/token'), 'abcdefgh-1')
      writeFileSync(join(folder, 'large'), 'x'.repeat(5_000))
      writeFileSync(join(folder, 'binary'), Buffer.from([1, 2, 0, 3, 255]))
      writeFileSync(join(tmpdir(), `outside-${process.pid}`), 'outside-of-the-vault-1')
      symlinkSync(join(tmpdir(), `outside-${process.pid}`), join(folder, 'link'))
      assert.deepEqual(
        [...(reader.changed() ?? [])].filter(([, value]) => value !== ''),
        [['vault/sub/token', 'abcdefgh-1']],
      )
      assert.equal(reader.changed(), null)
      writeFileSync(join(folder, 'sub/token'), 'abcdefgh-22')
      assert.equal(reader.changed()?.get('vault/sub/token'), 'abcdefgh-22')
    } finally {
      rmSync(folder, { recursive: true })
      rmSync(join(tmpdir(), `outside-${process.pid}`), { force: true })
    }
  })

  void it('is read through hands where this process does not see it', async () => {
    const file = (path: string, bytes: number) => ({ path, kind: 'file', bytes })
    const ask = async (op: string) =>
      op === 'list'
        ? {
            entries: [file('/vault/token', 11), file('/vault/sub/large', 5_000), { path: '/vault/sub', kind: 'folder', bytes: 0 }],
            truncated: false,
          }
        : { content: Buffer.from('abcdefgh-1\n'), offset: 0, totalBytes: 11 }
    const profiles: string[] = []
    const hands = async (profile: string) => ({ ask, profile: profiles.push(profile) })
    const found = await vaultThrough({ hands } as unknown as Pick<Sandbox, 'hands'>)
    assert.deepEqual([...found], [['vault/token', 'abcdefgh-1']])
    assert.deepEqual(profiles, ['vault-read'])
  })
})
