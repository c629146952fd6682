import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { atOnce, surveyFiles } from './file-stamps.ts'

const real = mkdtempSync(join(tmpdir(), 'oxbow-stamps-'))
after(() => rmSync(real, { recursive: true, force: true }))

const survey = (options: { readonly recentSince?: number; readonly maxBytes?: number; readonly except?: readonly string[] }) => {
  const { recentSince = 0, maxBytes = 1_000, except = [] } = options
  return atOnce(surveyFiles([{ virtual: '/shared', real }], { recentSince, maxBytes, except: new Set(except) }))!
}
const readIn = ({ stamps }: ReturnType<typeof survey>): readonly string[] =>
  [...stamps].filter(([, stamp]) => / [0-9a-f]{32}$/.test(stamp)).map(([path]) => path)

void it('knows files by their content, the smallest first, and counts those that are too much to read', () => {
  for (const [name, size] of [
    ['large', 600],
    ['middle', 500],
    ['small', 10],
    ['empty', 0],
  ] as const)
    writeFileSync(join(real, name), 'x'.repeat(size))
  const found = survey({})
  assert.deepEqual(readIn(found).toSorted(), ['/shared/empty', '/shared/middle', '/shared/small'])
  assert.equal(found.unread, 1)
  const without = survey({ except: ['/shared/middle'] })
  assert.deepEqual(readIn(without).toSorted(), ['/shared/empty', '/shared/large', '/shared/small'])
  assert.deepEqual([without.unread, without.stamps.has('/shared/middle')], [0, false])
})

void it('reads files that have not changed for long only where the file system gives mapped files no new time', () => {
  const isExt4 = statfsSync(real).type === 0xef53
  const isTmpfs = statfsSync(real).type === 0x01021994
  const { length } = readIn(survey({ recentSince: Date.now() + 60_000, maxBytes: 1_000_000 }))
  if (isExt4) assert.equal(length, 0)
  if (isTmpfs) assert.equal(length, 4)
})
