import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type Home, openHome, openWorkspace, parseUser } from '../home.ts'
import { addUser } from '../daemon/user-changes.ts'
import { assertKnown, assertOpen, findSpace, newSpace, setArchived, spacesOf, suggestSpace, useSpace } from './space-list.ts'
import { chosenWorkspace, parseSpace, spaceOf, spacesFile, workspaceName } from './space-names.ts'
import { endMove, forgetsMoves, freePath, leftMoves, moveFiles, sharedFile, type SpaceMove, writeMove } from './space-moves.ts'

function homeOf(t: TestContext): Home & { readonly env: Record<string, string> } {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-space-list-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const env = { OXBOW_HOME: root, OXBOW_SYSTEM_ROOT: join(root, 'none') }
  return { ...openHome(env), env }
}

const plain = { about: '', words: [], paths: [], created_at: 1 }

test('a home has the default space; others are made, used, archived and brought back by name', (t) => {
  const home = homeOf(t)
  assert.deepEqual(
    spacesOf(home, 'ada').map(({ name, user, isCurrent }) => [name, user, isCurrent]),
    [['default', 'ada', true]],
  )
  newSpace(home, 'ada', { ...plain, name: 'taxes' })
  assert.throws(() => newSpace(home, 'ada', { ...plain, name: 'taxes' }), { code: 'bad_input', message: /already/ })
  assert.throws(() => useSpace(home, 'ada', 'nope'), { code: 'not_found' })
  useSpace(home, 'ada', 'taxes')
  assert.equal(chosenWorkspace(home.env, 'ada'), 'ada~taxes')
  assert.equal(chosenWorkspace(home.env, 'ada', 'default'), 'ada')
  assert.equal(chosenWorkspace({ ...home.env, OXBOW_SPACE: 'default' }, 'ada'), 'ada')
  assert.equal(chosenWorkspace(home.env, 'bob'), 'bob')
  setArchived(home, 'ada', 'taxes', 5)
  assert.equal(chosenWorkspace(home.env, 'ada'), 'ada')
  assert.throws(() => assertOpen(home, 'ada~taxes'), { code: 'denied', hint: /space restore taxes/ })
  assert.throws(() => useSpace(home, 'ada', 'taxes'), { code: 'denied' })
  setArchived(home, 'ada', 'taxes', 0)
  assertOpen(home, 'ada~taxes')
  assert.throws(() => setArchived(home, 'ada', 'default', 5), { code: 'bad_input' })
})

test('names cannot leave their folder or pass for a person, and a mistyped one makes nothing', (t) => {
  const home = homeOf(t)
  for (const name of ['', '.', '../ada', 'a/b', 'A', 'a b', '~', 'a~b', '-a', 'a'.repeat(32)])
    assert.throws(() => parseSpace(name), { code: 'bad_input' })
  assert.throws(() => addUser(home, parseUser('ada~taxes')), { code: 'bad_input', hint: /space new/ })
  assert.throws(() => assertKnown(home, 'ada~taxse'), { code: 'not_found' })
  assert.deepEqual(spaceOf(workspaceName('ada', 'taxes')), { person: 'ada', space: 'taxes' })
})

test('a damaged list is said, and leads nobody into another space', (t) => {
  const home = homeOf(t)
  mkdirSync(join(home.runner, 'spaces'))
  writeFileSync(spacesFile(home.runner, 'ada'), '{"current": 5')
  assert.throws(() => spacesOf(home, 'ada'), { code: 'bad_config' })
  assert.equal(chosenWorkspace(home.env, 'ada'), 'ada')
})

test('words and folders suggest a space, and none that is used, archived or as likely as another', (t) => {
  const home = homeOf(t)
  newSpace(home, 'ada', { ...plain, name: 'taxes', words: ['tax', 'return'], paths: ['/home/ada/taxes'] })
  newSpace(home, 'ada', { ...plain, name: 'garden', words: ['rose'] })
  assert.deepEqual(suggestSpace(home, 'ada', 'When is the TAX due?', '/'), { space: 'taxes', because: 'the word "tax"' })
  assert.equal(suggestSpace(home, 'ada', 'hello', '/home/ada/taxes/2026')?.space, 'taxes')
  assert.equal(suggestSpace(home, 'ada', 'hello', '/home/ada/taxes2'), null)
  assert.equal(suggestSpace(home, 'ada', 'a rose for the tax', '/'), null)
  assert.equal(suggestSpace(home, 'ada~taxes', 'the tax', '/'), null)
  setArchived(home, 'ada', 'taxes', 5)
  assert.equal(suggestSpace(home, 'ada', 'the tax', '/'), null)
})

test('files move without following a link or replacing anything, and again without effect', (t) => {
  const home = homeOf(t)
  const { shared } = openWorkspace(home, parseUser('ada'))
  newSpace(home, 'ada', { ...plain, name: 'taxes' })
  const target = openWorkspace(home, findSpace(home, 'ada', 'taxes').user).shared
  for (const folder of [shared, target]) writeFileSync(join(folder, 'same.txt'), folder)
  symlinkSync(target, join(shared, 'way'))
  assert.throws(() => sharedFile(home, 'ada', '/shared/way/same.txt'), { code: 'path_refused', message: /behind a link/ })
  assert.throws(() => sharedFile(home, 'ada', '/shared/../vault/x'), { code: 'path_refused' })
  assert.throws(() => sharedFile(home, 'ada', '/shared/none'), { code: 'not_found' })
  const to = freePath(home, 'ada~taxes', '/shared/same.txt', 'ada')
  assert.equal(to, '/shared/from-default/same.txt')
  const move = { from: 'ada', to: 'ada~taxes', files: [['/shared/same.txt', to]] as [string, string][] }
  moveFiles(home, move)
  moveFiles(home, move)
  assert.equal(sharedFile(home, 'ada~taxes', to), join(target, 'from-default', 'same.txt'))
})

test('a move is left by a process that is gone, and belongs to one that lives', (t) => {
  const home = homeOf(t)
  const parts = { memories: [], sessions: [], schedules: [], files: [] }
  const move: SpaceMove = {
    ...parts,
    id: 'a',
    kind: 'move',
    from: 'ada',
    to: 'ada~taxes',
    at: 1,
    phase: 'placing',
    undoes: '',
    pid: process.ppid,
  }
  writeMove(home, move)
  assert.deepEqual(leftMoves(home), [])
  writeMove(home, { ...move, pid: 2 ** 22 + 1 })
  assert.deepEqual(
    leftMoves(home).map(({ id }) => id),
    ['a'],
  )
  for (let n = 0; n < 100; n += 1) {
    assert.equal(forgetsMoves(home), false, `${n} moves`)
    const next = { ...move, id: `m${String(n).padStart(3, '0')}` }
    writeMove(home, next)
    endMove(home, next, 'done')
  }
  assert.equal(forgetsMoves(home), true)
})
