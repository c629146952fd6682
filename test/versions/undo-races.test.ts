/** What a person writes between the look of an undo at a file and its write. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type SeriesGuest, startGuest } from './series-guest.ts'

const options = { signal: new AbortController().signal, timeoutMs: 10_000 }

async function withGuest(run: (guest: SeriesGuest, file: (name: string) => string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-races-'))
  mkdirSync(join(root, 'shared'))
  const guest = startGuest(join(root, 'shared'), join(root, 'versions'))
  try {
    await run(guest, (name) => join(root, 'shared', name))
  } finally {
    await guest.stop()
    rmSync(root, { recursive: true, force: true })
  }
}

/** Larger than what a pack takes in this guest. */
const large = 'large '.repeat(40_000)

test('an edit between the look of an undo and its write stays, is named, and is the person’s', async () => {
  await withGuest(async (guest, file) => {
    for (const name of ['changed', 'made-later', 'large', 'quiet']) writeFileSync(file(name), name === 'large' ? large : 'before')
    const hands = guest.handsOf('T')
    for (const name of ['changed', 'made', 'large', 'quiet'])
      await hands.ask('write', { path: `/shared/${name}`, text: `by the turn: ${name}`, ifHash: undefined }, options)
    await hands.ask('delete', { path: '/shared/made-later', recursive: false }, options)
    await guest.end('T', false)
    const edited = new Set<string>()
    guest.beforeEach((op, path) => {
      const names = op === 'unpack' ? ['changed', 'made-later'] : op === 'delete' || op === 'put' ? [path.replace('/shared/', '')] : []
      for (const name of names) {
        if (!edited.has(name)) writeFileSync(file(name), `of the person: ${name}`)
        edited.add(name)
      }
    })
    const undone = await guest.undo({ turn: 'T' }, 'U')
    assert.ok(typeof undone === 'object', JSON.stringify(undone))
    assert.deepEqual([...edited].sort(), ['changed', 'large', 'made', 'made-later'])
    for (const name of edited) assert.equal(readFileSync(file(name), 'utf8'), `of the person: ${name}`)
    assert.equal(readFileSync(file('quiet'), 'utf8'), 'before')
    assert.deepEqual(
      undone.conflicts.map(({ path }) => path).sort(),
      [...edited].sort().map((name) => `/shared/${name}`),
    )
    assert.match(undone.text, /^Restored quiet as it was before this turn\.\nLeft .* as it is: it was changed at the same moment\./)
    guest.beforeEach(() => {})
    await guest.undo({ turn: 'U' }, 'R')
    assert.equal(readFileSync(file('quiet'), 'utf8'), 'by the turn: quiet')
    for (const name of edited) assert.equal(readFileSync(file(name), 'utf8'), `of the person: ${name}`, 'an undo of the undo leaves it too')
  })
})

test('a person who edits a file at any moment of its undo loses no edit', async () => {
  await withGuest(async (guest, file) => {
    const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`)
    writeFileSync(file('a'), lines.join('\n'))
    const textWith = (at: number, line: string): string => readFileSync(file('a'), 'utf8').split('\n').with(at, line).join('\n')
    let undone = 0
    for (let turn = 0; turn < 20; turn += 1) {
      await guest.handsOf(`T${turn}`).ask('write', { path: '/shared/a', text: textWith(2, `turn ${turn}`), ifHash: undefined }, options)
      await guest.end(`T${turn}`, false)
      const undo = guest.undo({ turn: `T${turn}` }, `U${turn}`)
      // An undo takes some milliseconds: over the turns, the edits are spread over all of them.
      await new Promise((resolve) => setTimeout(resolve, 10 + turn))
      writeFileSync(file('a'), textWith(20, `edit ${turn}`))
      if (typeof (await undo) === 'object') undone += 1
      assert.match(readFileSync(file('a'), 'utf8'), new RegExp(`^edit ${turn}$`, 'm'))
    }
    assert.ok(undone > 0)
  })
})
