/** What an undo finds in the place of a file: what a person writes at that moment, folders, files that cannot be written. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { played, type SeriesGuest, startGuest } from './series-guest.ts'

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
    // Between what an undo takes away and what it puts there is no file for a moment: an editor opens it again.
    const untilThere = async (): Promise<void> => {
      while (!existsSync(file('a'))) await new Promise((resolve) => setImmediate(resolve))
    }
    let undone = 0
    for (let turn = 0; turn < 20; turn += 1) {
      await guest.handsOf(`T${turn}`).ask('write', { path: '/shared/a', text: textWith(2, `turn ${turn}`), ifHash: undefined }, options)
      await guest.end(`T${turn}`, false)
      const undo = guest.undo({ turn: `T${turn}` }, `U${turn}`)
      // Where the test fails before it awaits this, the guest is stopped: the first failure is the one to be told.
      undo.catch(() => {})
      // An undo takes some milliseconds: over the turns, the edits are spread over all of them.
      await new Promise((resolve) => setTimeout(resolve, 10 + turn))
      await untilThere()
      writeFileSync(file('a'), textWith(20, `edit ${turn}`))
      if (typeof (await undo) === 'object') undone += 1
      assert.match(readFileSync(file('a'), 'utf8'), new RegExp(`^edit ${turn}$`, 'm'))
    }
    assert.ok(undone > 0)
  })
})

test('an undo and its redo put files and folders in each other’s place', async () => {
  await withGuest(async (guest, file) => {
    for (const name of ['a', 'big', 'empty']) writeFileSync(file(name), name === 'big' ? large : `file ${name}`)
    mkdirSync(file('src'))
    writeFileSync(file('src/x'), 'in a folder')
    const state = () => ['a', 'a/in', 'src', 'src/x', 'empty', 'big'].map((name) => textOf(file(name)))
    guest.command(async () => {
      for (const name of ['a', 'big', 'empty', 'src']) rmSync(file(name), { recursive: true })
      for (const name of ['a', 'big', 'empty']) mkdirSync(file(name))
      writeFileSync(file('a/in'), 'made')
      writeFileSync(file('src'), 'file src')
    })
    await guest.handsOf('T').ask('exec', played, options)
    await guest.end('T', false)
    const undone = await guest.undo({ turn: 'T' }, 'U')
    assert.ok(typeof undone === 'object' && undone.conflicts.length === 0, JSON.stringify(undone))
    assert.deepEqual(state(), ['file a', null, null, 'in a folder', 'file empty', large])
    const redone = await guest.undo({ turn: 'U' }, 'R')
    assert.ok(typeof redone === 'object' && redone.conflicts.length === 0, JSON.stringify(redone))
    assert.deepEqual(state(), [null, 'made', 'file src', null, null, null])
    writeFileSync(file('a/mine'), 'of the person')
    const again = await guest.undo({ turn: 'T' }, 'U2')
    assert.ok(typeof again === 'object')
    assert.deepEqual(again.conflicts, [{ path: '/shared/a', why: 'there is a folder with other files' }])
    assert.deepEqual([textOf(file('a/mine')), textOf(file('src/x'))], ['of the person', 'in a folder'])
  })
})

test('a file that cannot be written stops no other file of an undo, and is named', async () => {
  await withGuest(async (guest, file) => {
    for (const name of ['a', 'b', 'c']) writeFileSync(file(name), 'before')
    for (const name of ['a', 'b', 'c', 'made']) {
      const hands = guest.handsOf('T')
      await hands.ask('write', { path: `/shared/${name}`, text: 'by the turn', ifHash: undefined }, options)
    }
    await guest.end('T', false)
    const refuse = Object.assign(new Error('refused'), { failure: { code: 'path_refused', message: 'EROFS', hint: '' } })
    guest.beforeEach((op) => {
      if (op === 'delete') throw refuse
    })
    const undone = await guest.undo({ turn: 'T' }, 'U')
    assert.ok(typeof undone === 'object')
    assert.deepEqual(undone.conflicts, [{ path: '/shared/made', why: 'agents may not change it there' }])
    assert.deepEqual(
      ['a', 'b', 'c', 'made'].map((name) => textOf(file(name))),
      ['before', 'before', 'before', 'by the turn'],
    )
  })
})

function textOf(path: string): string | null {
  try {
    return existsSync(path) ? readFileSync(path, 'utf8') : null
  } catch {
    return null
  }
}
