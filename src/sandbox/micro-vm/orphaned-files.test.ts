import assert from 'node:assert/strict'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { sandboxUid } from '../bubblewrap/launch-command.ts'
import { ownName, removeOrphans } from './orphaned-files.ts'

/** Above every number that a process can have. */
const dead = 4_194_304_999

describe('what killed kernels have left of machines', () => {
  it(
    'is removed, what lives is not, and nothing that somebody else has made',
    { skip: process.getuid?.() !== 0 && 'only root gives files away' },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'oxbow-orphans-'))
      const made = { ours: null, hands: sandboxUid, others: 12_345 } as const
      for (const [name, uid] of Object.entries(made)) {
        const path = join(folder, `${name}.of-${dead}-abc`)
        mkdirSync(path)
        if (uid !== null) chownSync(path, uid, uid)
      }
      const living = ownName(join(folder, 'living'))
      mkdirSync(living)
      await removeOrphans(folder)
      assert.deepEqual(
        readdirSync(folder)
          .map((name) => join(folder, name))
          .toSorted(),
        [living, join(folder, `others.of-${dead}-abc`)],
      )
      rmSync(folder, { recursive: true })
    },
  )
})
