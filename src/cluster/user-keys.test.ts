import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import {
  beginKeyChange,
  endKeyChange,
  type KeyPlace,
  keyFileText,
  makeMasterKeys,
  masterKeys,
  openHome,
  parseUser,
} from '../runner/index.ts'
import { parseConfig } from '../services/index.ts'
import type { SealedKeys } from '../store/index.ts'
import { userKeysIn } from './user-keys.ts'

const user = parseUser('ann')
const now = (): number => Date.UTC(2026, 0, 1)

function homeOf(t: TestContext): KeyPlace {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-user-keys-'))
  t.after(() => rmSync(root, { recursive: true }))
  return { home: openHome({ OXBOW_HOME: root }), user, config: parseConfig({}, 'test'), env: {} }
}

function table(): SealedKeys & { readonly rows: Map<string, Uint8Array> } {
  const rows = new Map<string, Uint8Array>()
  const read = (of: string): Buffer | null => (rows.has(of) ? Buffer.from(rows.get(of)!) : null)
  return {
    rows,
    read: async (of) => read(of),
    async first(of, sealed) {
      if (!rows.has(of)) rows.set(of, sealed)
      return read(of)!
    },
    replace: async (of, sealed) => void rows.set(of, sealed),
    close: async () => {},
  }
}

function cluster(t: TestContext) {
  const rows = table()
  const keys = userKeysIn(rows, randomBytes(32).toString('hex'), now)
  return { rows, keys, one: homeOf(t), other: homeOf(t) }
}

test('the key that one node makes is the one of all, and the database cannot read it', async (t) => {
  const { rows, keys, one, other } = cluster(t)
  await keys.bring(one)
  assert.equal(keyFileText(one), null, 'none is made before it is needed')
  await keys.make(one)
  await keys.make(other)
  const [master] = masterKeys(one)
  assert.deepEqual(masterKeys(other), [master])
  assert.equal(keyFileText(other), keyFileText(one))
  assert.doesNotMatch(Buffer.from(rows.rows.get(user)!).toString('latin1'), new RegExp(`${master}|format|current`))
})

test('a key from before the cluster counts on all nodes, and another one of a node is put aside', async (t) => {
  const { keys, one, other } = cluster(t)
  const before = makeMasterKeys(one)
  makeMasterKeys(other)
  await keys.bring(one)
  await keys.bring(other)
  assert.deepEqual(masterKeys(other), before)
  assert.deepEqual(readdirSync(join(other.home.runner, 'keys')).toSorted(), ['ann.json', 'ann.json.replaced-20260101T000000000Z'])
})

test('a key that a verb changes is the one of all nodes, also while the change goes on', async (t) => {
  const { keys, one, other } = cluster(t)
  await keys.make(one)
  await keys.bring(other)
  const changing = beginKeyChange(one)
  await keys.give(one)
  await keys.bring(other)
  assert.deepEqual(masterKeys(other), changing)
  endKeyChange(one)
  await keys.give(one)
  await keys.bring(other)
  assert.deepEqual(masterKeys(other), [changing[1]])
})

test('after the cluster was made anew the nodes’ own files count, and a node without one is told', async (t) => {
  const { rows, keys, one, other } = cluster(t)
  await keys.make(one)
  const anew = userKeysIn(rows, randomBytes(32).toString('hex'), now)
  await assert.rejects(anew.bring(other), { code: 'denied', message: /sealed by another cluster/ })
  await anew.bring(one)
  await anew.bring(other)
  assert.deepEqual(masterKeys(other), masterKeys(one))
})

test('a row of one user opens nothing for another', async (t) => {
  const { rows, keys, one } = cluster(t)
  await keys.make(one)
  const bob = { ...homeOf(t), user: parseUser('bob') }
  rows.rows.set('bob', rows.rows.get(user)!)
  await assert.rejects(keys.bring(bob), { code: 'denied' })
})

test('a passphrase does not travel: a node that lacks it says which variable it wants', async (t) => {
  const { keys, one, other } = cluster(t)
  const secret = { ...one, env: { OXBOW_PASSPHRASE: 'open sesame' } }
  const masters = makeMasterKeys(secret)
  await keys.bring(secret)
  await assert.rejects(keys.bring(other), { code: 'bad_config', message: /OXBOW_PASSPHRASE/ })
  const given = { ...other, env: secret.env }
  await keys.bring(given)
  assert.deepEqual(masterKeys(given), masters)
})
