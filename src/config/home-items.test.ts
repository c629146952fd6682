/** The table of what is below the home, the documentation of it, and the places in the code that make new names there. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { homeItemOf, homeItems } from './home-items.ts'

const root = join(import.meta.dirname, '../..')

test('each item has its own id and a row in docs/storage.md, and what is left out says what to do instead', () => {
  const docs = readFileSync(join(root, 'docs/storage.md'), 'utf8')
  assert.equal(new Set(homeItems.map(({ id }) => id)).size, homeItems.length)
  for (const { path, what, keeping, instead = '' } of homeItems) {
    assert.ok(docs.includes(`\`${path}\``) && docs.includes(what), `docs/storage.md has no row of ${path}`)
    assert.equal(keeping === 'left_out', instead !== '', path)
  }
})

test('the first item that names a path has it', () => {
  assert.equal(homeItemOf('user', 'internal/oxbow.db.replaced-1', 'ann')?.id, 'internal-replaced')
  assert.equal(homeItemOf('user', 'internal/oxbow.db.rehearsing.lock', 'ann')?.keeping, 'made_again')
  assert.equal(homeItemOf('user', 'archive', 'ann')?.keeping, 'left_out')
  assert.equal(homeItemOf('home', 'runner/folders/ann.json', 'ann')?.id, 'home-folders')
  assert.equal(homeItemOf('home', 'unheard-of', 'ann'), undefined)
})

test('every name that the code puts at the top of the home, or of a user, is in the table', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?<!\.test|-fixture)\.ts$/.test(name),
  )
  const unknown: string[] = []
  for (const file of files) {
    const text = readFileSync(join(root, 'src', file), 'utf8')
    const places = { home: /join\((?:\w+\.)*home\.root, '([^']+)'/g, user: /join\((?:workspaceRoot|workspace\.root), '([^']+)'/g } as const
    for (const at of ['home', 'user'] as const)
      for (const [, name = ''] of text.matchAll(places[at]))
        if (name !== 'internal' && name !== 'runner' && homeItemOf(at, name, 'ann') === undefined) unknown.push(`${file}: ${name}`)
  }
  assert.deepEqual(unknown, [], 'add it to src/config/home-items.ts, and to docs/storage.md')
})
