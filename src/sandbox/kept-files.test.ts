import assert from 'node:assert/strict'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { makeFolder, ownName, removeOldest, removeOrphans } from './kept-files.ts'
import { sandboxUid } from './tier-plan.ts'

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

describe('a folder that is named by what it holds', () => {
  it('is made at once by several, and each has a whole one', async (t) => {
    const place = mkdtempSync(join(tmpdir(), 'oxbow-made-'))
    t.after(() => rmSync(place, { recursive: true }))
    const folder = join(place, 'images', 'key')
    const allFilled = Promise.withResolvers<void>()
    let filled = 0
    const fill = async (draft: string): Promise<void> => {
      writeFileSync(join(draft, 'root'), 'whole')
      filled += 1
      if (filled === 3) allFilled.resolve()
      await allFilled.promise
    }
    const fresh = await Promise.all([makeFolder(folder, fill), makeFolder(folder, fill), makeFolder(folder, fill)])
    assert.deepEqual(fresh.toSorted(), [false, false, true])
    assert.equal(readFileSync(join(folder, 'root'), 'utf8'), 'whole')
    assert.deepEqual(readdirSync(join(place, 'images')), ['key'])
    assert.equal(await makeFolder(folder, () => assert.fail('it is there')), false)
  })

  it('is not there when it could not be filled, and neither is its draft', async (t) => {
    const place = mkdtempSync(join(tmpdir(), 'oxbow-made-'))
    t.after(() => rmSync(place, { recursive: true }))
    await assert.rejects(
      makeFolder(join(place, 'key'), () => Promise.reject(new Error('full'))),
      /full/,
    )
    assert.deepEqual(readdirSync(place), [])
  })

  it('goes when it is old, by several at once too', async (t) => {
    const place = mkdtempSync(join(tmpdir(), 'oxbow-made-'))
    t.after(() => rmSync(place, { recursive: true }))
    for (const [at, name] of ['a', 'b', 'c', 'other'].entries()) {
      mkdirSync(join(place, name))
      writeFileSync(join(place, name, 'x'), '')
      utimesSync(join(place, name), at + 1, at + 1)
    }
    const fits = (name: string): boolean => name.length === 1
    await Promise.all([removeOldest(place, fits, 1), removeOldest(place, fits, 1)])
    assert.deepEqual(readdirSync(place).toSorted(), ['c', 'other'])
  })

  it('is not old when somebody has asked for it since', async (t) => {
    const place = mkdtempSync(join(tmpdir(), 'oxbow-made-'))
    t.after(() => rmSync(place, { recursive: true }))
    for (const [at, name] of ['a', 'b'].entries()) {
      mkdirSync(join(place, name))
      utimesSync(join(place, name), at + 1, at + 1)
    }
    assert.equal(await makeFolder(join(place, 'a'), () => assert.fail('it is there')), false)
    await removeOldest(place, () => true, 1)
    assert.deepEqual(readdirSync(place), ['a'])
  })
})
