/** Brings what a machine has in /shared to the host, into a folder of its own, file by file under numbers: nothing is applied yet. */
import { createHash, randomUUID } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hands } from '../../../types/index.ts'
import { OxbowError } from '../../../types/index.ts'
import { archivePieceBytes, archivePieceMs } from '../../limits.ts'
import { createTarReader } from './tar-entries.ts'
import type { TarEntry } from './tar-entries.ts'

export interface TakenEntry extends Pick<TarEntry, 'path' | 'kind' | 'executable' | 'modifiedSeconds'> {
  /** As in TreeEntry. */
  readonly content: string
  /** Of a file: where its bytes stand now. */
  readonly staged: string
}

export interface TakenTree {
  readonly entries: readonly TakenEntry[]
  /** What could not come along: so what is missing here may still be there. */
  readonly skipped: number
}

/** @throws OxbowError `sandbox_failed` when what comes is no archive of a folder, or too much; what hands throw. */
export async function takeArchive(hands: Hands, folder: string, maxBytes: number, signal: AbortSignal): Promise<TakenTree> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const entries: TakenEntry[] = []
  let current: { entry: TarEntry; hash: Hash; staged: string; descriptor: number | null } | null = null
  const reader = createTarReader(
    {
      entry(entry) {
        const staged = join(folder, String(entries.length))
        current = { entry, hash: createHash('sha256'), staged, descriptor: entry.kind === 'file' ? openSync(staged, 'wx', 0o600) : null }
      },
      data(bytes) {
        current!.hash.update(bytes)
        writeSync(current!.descriptor!, bytes)
      },
      end() {
        const { entry, hash, staged, descriptor } = current!
        current = null
        if (descriptor !== null) closeSync(descriptor)
        const { path, kind, executable, modifiedSeconds, target } = entry
        const content = kind === 'file' ? hash.digest('hex') : target
        entries.push({ path, kind, content, executable: kind === 'file' && executable, modifiedSeconds, staged })
      },
    },
    maxBytes,
  )
  const transfer = randomUUID()
  let skipped = 0
  try {
    for (let offset = 0; ;) {
      const input = { path: '/shared', transfer, offset, maxBytes: archivePieceBytes }
      const piece = await hands.ask('archive', input, { signal, timeoutMs: archivePieceMs })
      const problem = reader.push(Buffer.from(piece.content))
      if (problem !== null) throw refused(problem)
      offset += piece.content.length
      skipped = piece.skipped
      if (piece.done) break
      if (piece.content.length === 0) throw refused('an empty piece')
    }
    if (!reader.isWhole()) throw refused('it ends too early')
    return { entries, skipped: skipped + reader.skipped() }
  } finally {
    const open = current as { descriptor: number | null } | null
    if (open?.descriptor != null) closeSync(open.descriptor)
  }
}

function refused(why: string): OxbowError {
  return new OxbowError('sandbox_failed', `What the micro VM sent as its workspace was refused: ${why}.`, {
    hint: 'Nothing of it was taken over; it stays on the disk of the micro VM.',
  })
}
