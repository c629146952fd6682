import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CallContext } from '../../types/index.ts'
import { maxVaultBytes, vaultPieceBytes } from '../limits.ts'
import { createSeenFiles } from '../workspace-arguments.ts'
import { vaultCopyTo } from './vault-calls.ts'

interface Vault {
  readonly bytes: number
  /** What `stat` says of the time, one answer after the other. */
  readonly modified: readonly number[]
  /** Size that each piece is told with. */
  readonly told?: readonly number[]
}

/** A copy out of a vault that behaves like this. @returns what went into the workspace, and what was recorded */
async function copy({ bytes, modified, told = [] }: Vault) {
  const times = [...modified]
  const sizes = [...told]
  const asked: string[] = []
  const put: { offset: number; bytes: number; last: boolean }[] = []
  const recorded: unknown[] = []
  const vault = {
    async ask(op: string, input: { offset: number; maxBytes: number }) {
      asked.push(op)
      if (op === 'stat') return { kind: 'file', bytes, modifiedMs: times.shift() ?? modified.at(-1) }
      const length = Math.max(0, Math.min(input.maxBytes, bytes - input.offset))
      return { content: Buffer.alloc(length), offset: input.offset, totalBytes: sizes.shift() ?? bytes }
    },
  }
  const work = {
    async ask(_: string, { offset, content, last }: { offset: number; content: Uint8Array; last: boolean }) {
      put.push({ offset, bytes: content.length, last })
      return { bytes: offset + content.length, created: true, hash: '', was: '' }
    },
  }
  const context = {
    id: 'g.0',
    caller: { session: 's' },
    signal: new AbortController().signal,
    sandbox: { hands: async (profile: string) => (profile === 'vault-read' ? vault : work) },
    record: (body: unknown) => recorded.push(body),
  } as unknown as CallContext
  const input = { source_path: '/vault/a', destination_path: '/shared/a', overwrite: false }
  const outcome = await vaultCopyTo(createSeenFiles())
    .run(input, context)
    .then(
      ({ output }) => output,
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    )
  return { outcome, asked, put, recorded }
}

describe('vault.copy_to', () => {
  it('never holds more of a file than a piece, and looks whether it has changed before the last one is written', async () => {
    const bytes = 2 * vaultPieceBytes + 5
    const { outcome, put, asked } = await copy({ bytes, modified: [1, 1] })
    assert.equal((outcome as { bytes: number }).bytes, bytes)
    assert.deepEqual(put, [
      { offset: 0, bytes: vaultPieceBytes, last: false },
      { offset: vaultPieceBytes, bytes: vaultPieceBytes, last: false },
      { offset: 2 * vaultPieceBytes, bytes: 5, last: true },
    ])
    assert.deepEqual(asked, ['stat', 'bytes', 'bytes', 'bytes', 'stat'])
  })

  it('copies an empty file too', async () => {
    const { outcome, put } = await copy({ bytes: 0, modified: [1, 1] })
    assert.equal((outcome as { bytes: number }).bytes, 0)
    assert.deepEqual(put, [{ offset: 0, bytes: 0, last: true }])
  })

  it('shows nothing of a file that changed while it was copied', async () => {
    for (const vault of [
      { bytes: vaultPieceBytes + 1, modified: [1, 2] },
      { bytes: vaultPieceBytes + 1, modified: [1, 1], told: [vaultPieceBytes + 1, 7] },
    ]) {
      const { outcome, put } = await copy(vault)
      assert.match(JSON.stringify(outcome), /^"tool_failed: \/vault\/a changed while it was being copied; nothing was written/)
      assert.ok(put.every(({ last }) => !last))
    }
  })

  it('refuses what is larger than half a gigabyte before it reads any of it', async () => {
    const { outcome, asked, recorded } = await copy({ bytes: maxVaultBytes + 1, modified: [1] })
    assert.match(JSON.stringify(outcome), /^"limit_reached/)
    assert.deepEqual([asked, recorded], [['stat'], []])
  })
})
