/** A sandbox in memory packs no archives: what is above it is tried with a real one. */
import type { ArchiveOps } from '../../types/index.ts'
import { fail } from './fake-files.ts'
import type { Operations } from './fake-files.ts'

export function fakeArchives(): Pick<Operations, keyof ArchiveOps> {
  const refuse = (): never => {
    throw fail('sandbox_missing', 'A sandbox in memory knows no archives.')
  }
  return { archive: refuse, unpack: refuse }
}
