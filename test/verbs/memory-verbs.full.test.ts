/** `oxbow memory` from end to end: the real program with a real guest. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome } from '../support/program.ts'

interface Hit {
  readonly note_id: string
  readonly text: string
  readonly holds: boolean
}

interface Stats {
  readonly entries: number
  readonly waiting: number
  readonly byKind: Readonly<Record<string, number>>
  readonly models: readonly { readonly vectors: number }[]
}

let home: Home

before(async () => {
  home = await openHome('[memory]\nembedder = "hash"\n')
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

const search = (...args: readonly string[]): Promise<Hit[]> => home.json<Hit>('memory', 'search', ...args)

/** The `shared` folder of the one user. */
function shared(): string {
  const users = join(home.folder, 'users')
  const [user] = readdirSync(users).filter((name) => statSync(join(users, name)).isDirectory())
  return join(users, user!, 'shared')
}

void test('a note is added, found, edited, superseded from a date, and its past is found as of then', async () => {
  const [added] = await home.json<{ note_id: string }>('memory', 'add', 'I live in', 'Leeds.', '--tag', 'home')
  const id = added!.note_id
  const [hit] = await search('where do I live', '--tag', 'home')
  assert.deepEqual([hit?.note_id, hit?.text], [id, 'I live in Leeds.'])
  assert.deepEqual(await search('where do I live', '--tag', 'work'), [])

  assert.equal((await home.oxbow(['memory', 'edit', id, 'I live in York.'])).exit, 0)
  assert.equal((await home.oxbow(['memory', 'edit', id, '--from', '2020-01-01'])).exit, 0)
  const moved = await home.oxbow(['memory', 'edit', id, 'I live in Busan.', '--supersede', '--from', '2026-03-01'])
  assert.equal(moved.exit, 0, moved.err)
  assert.match((await search('where do I live'))[0]!.text, /Busan/)
  const [then] = await search('where do I live', '--as-of', '2024-06-01')
  assert.match(then!.text, /York/)

  const [moving] = await search('where do I live')
  assert.match((await home.oxbow(['memory', 'pin', moving!.note_id])).out, /does not fade/)
  assert.match((await home.oxbow(['memory', 'why', moving!.note_id])).out, /protection permanent/)
  assert.match((await home.oxbow(['memory', 'pin', moving!.note_id, '--undo'])).out, /no longer pinned/)

  const why = await home.oxbow(['memory', 'why', id])
  assert.match(why.out, /I live in York\.[^]*holds +no, from 2020-01-01[^]*record +\d+: memory\.update, intent[^]*superseded by note-/)
  const [asJson] = await home.json<{ superseded_by: { text: string } | null }>('memory', 'why', id)
  assert.match(asJson!.superseded_by!.text, /Busan/)
  const unknown = await home.oxbow(['memory', 'why', 'note-none'])
  assert.deepEqual([unknown.exit, /^error: .*\nhint: /.test(unknown.err)], [errorTable.not_found.exit, true])
  assert.equal((await home.oxbow(['memory', 'edit', id])).exit, errorTable.bad_input.exit)
})

void test('a refused option is named as it was typed, not by the field of the call', async () => {
  const date = await home.oxbow(['memory', 'search', 'York', '--as-of', 'yesterday'])
  assert.equal(date.exit, errorTable.bad_input.exit)
  assert.match(date.err, /^error: --as-of: must be a date such as .*\nhint: Add --help/)
  assert.match((await home.oxbow(['memory', 'search', 'x'.repeat(20_000)])).err, /^error: the words: /)
})

void test('a file is ingested, skipped the second time, and found by its text', async () => {
  mkdirSync(join(shared(), 'docs'))
  writeFileSync(join(shared(), 'docs', 'bees.md'), '# Bees\n\nThe apiary stands behind the quince tree.\n')
  const first = await home.oxbow(['memory', 'ingest', '/shared/docs', '--tag', 'garden'])
  assert.equal(first.exit, 0, first.err)
  const [again] = await home.json<{ documents: { state: string }[] }>('memory', 'ingest', '/shared/docs')
  assert.deepEqual(
    again!.documents.map(({ state }) => state),
    ['unchanged'],
  )
  const shown = await home.oxbow(['memory', 'search', 'apiary', '--why'])
  assert.match(shown.out, /\/shared\/docs\/bees\.md[^]*#garden[^]*untrusted[^]*behind the quince tree[^]*words rank 1/)
})

void test('all memories are exported, imported again without change, and refused if incomplete', async () => {
  const file = join(home.folder, 'memory.jsonl')
  const exported = await home.oxbow(['memory', 'export', file])
  assert.equal(exported.exit, 0, exported.err)
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  assert.ok(lines.length >= 3)
  assert.equal((await home.oxbow(['memory', 'export', file])).exit, errorTable.bad_input.exit, 'nothing is written over')
  const [same] = await home.json<{ added: number; unchanged: number }>('memory', 'import', file)
  assert.deepEqual([same?.added, same?.unchanged], [0, lines.length])

  const changed = join(home.folder, 'changed.jsonl')
  writeFileSync(changed, `${lines.find((line) => line.includes('Busan'))!.replaceAll('Busan', 'Daegu')}\nno json\n`)
  const folder = await home.oxbow(['memory', 'import', '/'])
  assert.deepEqual([folder.exit, folder.err], [errorTable.bad_input.exit, 'error: / is not a file\nhint: Name a file with JSON lines.\n'])
  const bad = await home.oxbow(['memory', 'import', changed])
  assert.deepEqual([bad.exit, /--overwrite replaces it/.test(bad.out), /line 2: /.test(bad.out)], [12, true, true])
})

void test('everything is reindexed, including vectors, and the statistics agree', async () => {
  const [earlier] = await home.json<Stats>('memory', 'stats')
  const [read] = await home.json<{ written: number; vectors: boolean }>('memory', 'reindex')
  assert.deepEqual([read?.written, read?.vectors], [earlier?.entries, true])
  assert.match((await home.oxbow(['memory', 'reindex'])).out, /^0 messages and \d other memories read again\. Vectors are recomputed/)
  let [stats] = await home.json<Stats>('memory', 'stats')
  while (stats!.waiting > 0) [stats] = await home.json<Stats>('memory', 'stats')
  assert.deepEqual([stats?.entries, stats?.models.length], [earlier?.entries, 1])
  assert.ok(stats!.models[0]!.vectors >= stats!.entries)
  assert.match((await search('live in Busan'))[0]!.text, /Busan/)
  assert.match((await home.oxbow(['memory', 'stats'])).out, /^memories +\d+: [^]*vectors +\d+ of hash/)
})

void test('forget lists what it would erase, erases it with --yes, and search no longer finds it', async () => {
  const dry = await home.oxbow(['memory', 'forget', '--text', 'behind the quince tree'])
  assert.deepEqual([dry.exit, /^1 memory would be erased:[^]*Add --yes/.test(dry.out)], [0, true], dry.out)
  // Something is always near in meaning: what is asked is whether it is among them.
  const quinces = async (): Promise<Hit[]> => (await search('quince')).filter(({ text }) => text.includes('quince'))
  assert.equal((await quinces()).length, 1)
  const [gone] = await home.json<{ left: number; entries: object[] }>('memory', 'forget', '--text', 'behind the quince tree', '--yes')
  assert.deepEqual([gone?.left, gone?.entries.length], [0, 1])
  assert.deepEqual(await quinces(), [])
})

void test('in a chat /memory adds, finds, explains and forgets, and /help lists it', async () => {
  const said = [
    '/help',
    '/memory',
    '/memory add The kayak hangs in the barn.',
    '/memory where is the kayak',
    '/memory search kayak',
    '/memory forget the kayak hangs',
    '/memory forget --yes the kayak hangs',
    '/memory search kayak',
    '/memory why note-none',
    '/memory add',
    '/memory stats',
    '/quit',
  ]
  const { exit, out, err } = await home.oxbow(['chat'], `${said.join('\n')}\n`)
  assert.equal(exit, 0, err)
  assert.match(out, /\/memory … +search, add, forget[^]*\/memory forget ID or PHRASE/)
  assert.equal(out.match(/ {2}> The kayak hangs in the barn\./g)?.length, 2, out)
  assert.match(out, /1 memory would be erased:[^]*\/memory forget --yes … erases it for good\.[^]*Forgotten: 1 memory/)
  assert.doesNotMatch(out.slice(out.indexOf('Forgotten: 1')), /kayak/)
  assert.match(out, /error: .*note-none[^]*give the text to note[^]*memories +\d/)
})
