/** Oxbow without its fence, to see that the checker finds what the fence prevents: a copy of the sources with two checks taken out. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Of `src/store/postgres/lease-fence.ts`. */
const checks: readonly (readonly [check: string, without: string])[] = [
  [
    'if (row !== undefined && row[0] === lease.term && row[1] === lease.epoch) return',
    'if (row !== undefined || lease !== undefined) return',
  ],
  ['if (claimed.length === 0) throw staleLease(lease, shown)', 'void claimed'],
]

export interface UnfencedBuild extends Disposable {
  /** `oxbow`. */
  readonly program: string
}

export function unfencedBuild(): UnfencedBuild {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-unfenced-'))
  for (const name of ['src', 'package.json', 'skills', 'programs']) cpSync(join(root, name), join(folder, name), { recursive: true })
  for (const name of ['node_modules', 'dist']) symlinkSync(join(root, name), join(folder, name))
  const file = join(folder, 'src/store/postgres/lease-fence.ts')
  const patched = checks.reduce(
    (text, [check, without]) => {
      assert.ok(text.includes(check), `the fence no longer has the line: ${check}`)
      return text.replace(check, without)
    },
    readFileSync(file, 'utf8'),
  )
  writeFileSync(file, patched)
  return {
    program: join(folder, 'src/cli/main.ts'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
