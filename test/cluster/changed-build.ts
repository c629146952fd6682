/**
 * Oxbow with lines of it changed, as a copy of its sources: without its fence, to see that the checker finds what the fence prevents, and with
 * another version of the protocol of nodes, to upgrade a cluster to.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface ChangedBuild extends Disposable {
  /** `oxbow`. */
  readonly program: string
}

type Change = readonly [line: string, instead: string]

function changedBuild(source: string, changes: readonly Change[]): ChangedBuild {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-changed-'))
  for (const name of ['src', 'package.json', 'skills', 'programs']) cpSync(join(root, name), join(folder, name), { recursive: true })
  for (const name of ['node_modules', 'dist']) symlinkSync(join(root, name), join(folder, name))
  const file = join(folder, source)
  const changed = changes.reduce(
    (text, [line, instead]) => {
      assert.ok(text.includes(line), `${source} no longer has the line: ${line}`)
      return text.replace(line, instead)
    },
    readFileSync(file, 'utf8'),
  )
  writeFileSync(file, changed)
  return {
    program: join(folder, 'src/cli/main.ts'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export function unfencedBuild(): ChangedBuild {
  return changedBuild('src/store/postgres/lease-fence.ts', [
    [
      'if (row !== undefined && row[0] === lease.term && row[1] === lease.epoch) return',
      'if (row !== undefined || lease !== undefined) return',
    ],
    ['if (claimed.length === 0) throw staleLease(lease, shown)', 'void claimed'],
  ])
}

/** @param version of what nodes say to each other */
export function buildOfProtocol(version: number): ChangedBuild {
  return changedBuild('src/cluster/limits.ts', [['export const protocolVersion = 1', `export const protocolVersion: number = ${version}`]])
}
