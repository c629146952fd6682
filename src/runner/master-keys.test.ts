import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '../services/index.ts'
import { openHome, parseUser } from './home.ts'
import { makeMasterKeys, masterKeys } from './master-keys.ts'

test('two terminals that create the key of a store at once both get the stored one', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-keys-'))
  t.after(() => rmSync(root, { recursive: true }))
  const place = { home: openHome({ OXBOW_HOME: root }), user: parseUser('ada'), config: parseConfig({}, 'test'), env: {} }
  let other: readonly string[] = []
  // Asked for when this one has seen that there is no key, and has written none.
  const env = {
    get [place.config.store.passphrase_env](): string {
      if (other.length === 0) other = makeMasterKeys(place)
      return ''
    },
  }
  assert.deepEqual(makeMasterKeys({ ...place, env }), other)
  assert.deepEqual(masterKeys(place), other)
  assert.deepEqual(readdirSync(join(root, 'runner', 'keys')), ['ada.json'])
})
