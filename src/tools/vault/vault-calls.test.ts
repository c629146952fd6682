import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CallContext } from '../../protocol/index.ts'
import { maxVaultBytes, vaultPieceBytes } from '../limits.ts'
import { createSeenFiles } from '../workspace-arguments.ts'
import { vaultCopyTo } from './vault-calls.ts'

interface Vault {
  readonly bytes: number
  /** What `stat` says of the time, one answer after the other. */
  readonly modified: readonly number[]
  /** Size reported with each piece. */
  readonly reportedSizes?: readonly number[]
}

/** A copy out of a vault that behaves like this. @returns what went into the workspace, and what was recorded */
async function copy({ bytes, modified, reportedSizes = [] }: Vault) {
  const times = [...modified]
  const sizes = [...reportedSizes]
  const requests: string[] = []
  const put: { offset: number; bytes: number; last: boolean }[] = []
  const recorded: unknown[] = []
  const vault = {
    async ask(op: string, input: { offset: number; maxBytes: number }) {
      requests.push(op)
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
  return { outcome, requests, put, recorded }
}

describe('vault.copy_to', () => {
  it('holds at most one piece of a file, and checks for changes before it writes the last one', async () => {
    const bytes = 2 * vaultPieceBytes + 5
    const { outcome, put, requests } = await copy({ bytes, modified: [1, 1] })
    assert.equal((outcome as { bytes: number }).bytes, bytes)
    assert.deepEqual(put, [
      { offset: 0, bytes: vaultPieceBytes, last: false },
      { offset: vaultPieceBytes, bytes: vaultPieceBytes, last: false },
      { offset: 2 * vaultPieceBytes, bytes: 5, last: true },
    ])
    assert.deepEqual(requests, ['stat', 'bytes', 'bytes', 'bytes', 'stat'])
  })

  it('copies an empty file too', async () => {
    const { outcome, put } = await copy({ bytes: 0, modified: [1, 1] })
    assert.equal((outcome as { bytes: number }).bytes, 0)
    assert.deepEqual(put, [{ offset: 0, bytes: 0, last: true }])
  })

  it('writes nothing of a file that changed while it was copied', async () => {
    for (const vault of [
      { bytes: vaultPieceBytes + 1, modified: [1, 2] },
      { bytes: vaultPieceBytes + 1, modified: [1, 1], reportedSizes: [vaultPieceBytes + 1, 7] },
    ]) {
      const { outcome, put } = await copy(vault)
      assert.match(JSON.stringify(outcome), /^"tool_failed: \/vault\/a changed while it was being copied; nothing was written/)
      assert.ok(put.every(({ last }) => !last))
    }
  })

  it('refuses a file over half a gigabyte before it reads any of it', async () => {
    const { outcome, requests, recorded } = await copy({ bytes: maxVaultBytes + 1, modified: [1] })
    assert.match(JSON.stringify(outcome), /^"limit_reached/)
    assert.deepEqual([requests, recorded], [['stat'], []])
  })
})
