/** The archive operations of hands. */
import type { ArchiveOps } from '../../types/index.ts'
import type { PathLocks } from '../files/path-locks.ts'
import type { Root } from '../files/workspace-path.ts'
import type { HandlersOf } from '../handlers.ts'
import { createPacker } from './pack-folder.ts'
import { createUnpacker } from './unpack-folder.ts'

export interface Archives {
  readonly ops: HandlersOf<ArchiveOps>
  /** Never throws. */
  close(): Promise<void>
}

export function openArchives(roots: readonly Root[], locks: PathLocks): Archives {
  const packer = createPacker(roots)
  const unpacker = createUnpacker(roots, locks)
  return {
    ops: { archive: (input, signal) => packer.archive(input, signal), unpack: (input, signal) => unpacker.unpack(input, signal) },
    async close() {
      await packer.close()
      await unpacker.close()
    },
  }
}
