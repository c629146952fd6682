/** Notes that one space shares with another, by the program that people start: what agents read of them is private, and goes with them. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, test } from 'node:test'
import { openCli } from './spaces-fixture.ts'

const cli = openCli()
after(cli.remove)
const { oxbow, ran } = cli

const idIn = (text: string): string => /note-[0-9a-f]+/.exec(text)![0]
const sessionOf = (json: string): string => (JSON.parse(json) as { session: string }).session

interface Preview {
  readonly target: { readonly sessions: readonly { id: string }[]; readonly memories: readonly string[]; readonly files: readonly string[] }
}

test('a shared note is recalled in the other space, and unshared with all that was derived from it, also at second hand', () => {
  ran('space', 'new', 'taxes')
  ran('space', 'new', 'work')
  const note = idIn(ran('memory', 'add', 'The advisor is called Wilhelmina Quark.', '--space', 'taxes', '--json'))
  ran('memory', 'add', 'The advisor is called Wilhelmina Quark.', '--space', 'work')
  ran('space', 'share', note, '--from', 'taxes', '--to', 'work')
  assert.match(ran('memory', 'search', 'advisor', '--space', 'work'), /shared by the space taxes/)
  assert.match(ran('space', 'list'), /work.*sees 1 memory of taxes/)

  const copy = idIn(ran('space', 'list', '--json').split('"copy":')[1]!)
  // Read to be read: not rewritten, moved on, nor shared on.
  assert.match(oxbow('memory', 'edit', copy, 'another text', '--space', 'work').err, /a copy of what the space taxes shares/)
  assert.match(oxbow('space', 'move', copy, '--from', 'work', '--to', 'default', '--yes').err, /no note, fact or document/)
  assert.match(oxbow('space', 'share', copy, '--from', 'work', '--to', 'default').err, /no note, fact or document/)

  const first = sessionOf(ran('run', 'what do you remember about the advisor', '--space', 'work', '--json'))
  ran('run', 'remember that Quark likes pelargoniums then write "ask Quark" to plan.txt', '--session', first, '--space', 'work')
  const second = sessionOf(ran('run', 'what do you remember about pelargoniums', '--space', 'work', '--json'))
  const other = sessionOf(ran('run', 'hello', '--space', 'work', '--json'))
  assert.match(ran('flow', 'why', first, '--space', 'work'), new RegExp(`private.*space taxes/${copy}`))

  const { target } = JSON.parse(ran('space', 'unshare', note, '--to', 'work', '--dry-run', '--json')) as Preview
  assert.deepEqual(target.sessions.map(({ id }) => id).toSorted(), [first, second].toSorted())
  assert.equal(target.memories.length, 1)
  assert.deepEqual(target.files, ['/shared/plan.txt'])
  ran('space', 'unshare', copy, '--to', 'work', '--yes')

  const left = ran('memory', 'search', 'advisor Quark pelargoniums', '--space', 'work')
  assert.match(left, /noted by you/)
  assert.doesNotMatch(left, /shared by|pelargoniums/)
  for (const gone of [first, second]) assert.notEqual(oxbow('sessions', 'show', gone, '--space', 'work').exit, 0)
  ran('sessions', 'show', other, '--space', 'work')
  assert.match(ran('memory', 'search', 'advisor', '--space', 'taxes'), /Wilhelmina Quark/)
  assert.doesNotMatch(ran('space', 'list'), /sees/)
  assert.match(ran('audit', 'verify', '--space', 'work'), /verifies/)
  assert.match(oxbow('space', 'unshare', copy, '--to', 'work', '--yes').err, /no space shares/)
})

test('a document is shared with all its sections; a guest that lets private data out must stop before the first share', () => {
  ran('space', 'new', 'library')
  ran('space', 'new', 'reader')
  const text = Array.from({ length: 2_000 }, (_, n) => `Paragraph ${n} is about the heron number ${n}.`).join('\n\n')
  cli.write('library', 'herons.md', text)
  ran('memory', 'ingest', '/shared/herons.md', '--space', 'library')
  const found = /document:[0-9a-f]+:\d+/.exec(ran('memory', 'search', 'heron number 1999', '--space', 'library'))![0]
  ran('start', '--space', 'reader')
  assert.match(oxbow('space', 'share', found, '--from', 'library', '--to', 'reader').err, /without asking before private data/)
  ran('stop', '--space', 'reader')
  ran('space', 'share', found, '--from', 'library', '--to', 'reader')
  for (const n of [3, 1_999]) assert.match(ran('memory', 'search', `heron number ${n}`, '--space', 'reader'), /shared by the space library/)
  ran('space', 'unshare', found, '--to', 'reader', '--yes')
  assert.doesNotMatch(ran('memory', 'search', 'heron', '--space', 'reader'), /Paragraph/)
})

test('what was moved to a third space goes with what is unshared, and so do state, notes of deleted sessions and documents of files', () => {
  for (const name of ['giver', 'taker', 'third']) ran('space', 'new', name)
  const note = idIn(ran('memory', 'add', 'The advisor is called Wilhelmina Quark.', '--space', 'giver', '--json'))
  ran('space', 'share', note, '--from', 'giver', '--to', 'taker')
  const read = (...words: readonly string[]): string => sessionOf(ran('run', ...words, '--space', 'taker', '--json'))
  const first = read('what do you remember about the advisor')
  ran('run', 'remember that Quark likes pelargoniums then write "ask Quark" to plan.txt', '--session', first, '--space', 'taker')
  const keeper = read('what do you remember about the advisor')
  ran('call', 'state.save', '{"category":"people","name":"quark","data":{"likes":"pelargoniums"}}', '--session', keeper, '--space', 'taker')
  ran('call', 'state.save', '{"category":"people","name":"me","data":{"likes":"tea"}}', '--space', 'taker')
  ran('memory', 'ingest', '/shared/plan.txt', '--space', 'taker')
  const deleted = read('what do you remember about the advisor')
  ran('run', 'remember that Quark keeps a parrot', '--session', deleted, '--space', 'taker')
  ran('sessions', 'delete', deleted, '--yes', '--space', 'taker')
  cli.write('taker', 'own.txt', 'nothing of it')
  const moved = idIn(ran('memory', 'search', 'pelargoniums', '--space', 'taker'))
  ran('space', 'move', first, moved, '/shared/plan.txt', '/shared/own.txt', '--from', 'taker', '--to', 'third', '--yes')
  const there = sessionOf(ran('run', 'what do you remember about pelargoniums', '--space', 'third', '--json'))
  const other = sessionOf(ran('run', 'hello', '--space', 'third', '--json'))

  const { target } = JSON.parse(ran('space', 'unshare', note, '--to', 'taker', '--dry-run', '--json')) as {
    target: { state: unknown; memories: readonly string[]; elsewhere: readonly (Preview['target'] & { space: string })[] }
  }
  assert.deepEqual(target.state, [{ category: 'people', name: 'quark' }])
  // The note of the session that was deleted, and the document.
  assert.equal(target.memories.length, 2)
  assert.deepEqual(
    target.elsewhere.map(({ space, sessions, memories, files }) => [space, sessions.length, memories, files]),
    [['third', 2, [moved], ['/shared/plan.txt']]],
  )
  assert.match(ran('space', 'unshare', note, '--to', 'taker', '--yes'), /in the space third: delete 2 sessions/)
  for (const space of ['taker', 'third'])
    assert.doesNotMatch(ran('memory', 'search', 'Quark pelargoniums parrot plan', '--space', space), /Quark|parrot/)
  assert.notEqual(oxbow('sessions', 'show', there, '--space', 'third').exit, 0)
  ran('sessions', 'show', other, '--space', 'third')
  assert.deepEqual(readdirSync(cli.sharedOf('third')), ['own.txt'])
  assert.notEqual(oxbow('call', 'state.load', '{"category":"people","name":"quark"}', '--space', 'taker').exit, 0)
  assert.match(ran('call', 'state.load', '{"category":"people","name":"me"}', '--space', 'taker'), /tea/)
})
