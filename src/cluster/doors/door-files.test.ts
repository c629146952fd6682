/** How people reach a door: what is refused, with what to set. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { configSchema } from '../../config/index.ts'
import { makeAuthority } from '../trust/certificates.ts'
import { readDoorTls } from './door-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'oxbow-door-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const door = (settings: object) => configSchema.parse({ cluster: { door: settings } }).cluster.door

test('keys never cross a network in clear, unless a person says so', () => {
  assert.equal(readDoorTls(door({})), null)
  assert.throws(() => readDoorTls(door({ host: '0.0.0.0' })), { code: 'bad_config', hint: /cluster\.door\.cert/ })
  assert.throws(() => readDoorTls(door({ host: '10.0.0.1', url: 'http://node-1:7700' })), { code: 'bad_config' })
  assert.equal(readDoorTls(door({ host: '0.0.0.0', allow_plain: true })), null)
  // A proxy with TLS is in front.
  assert.equal(readDoorTls(door({ host: '0.0.0.0', url: 'https://oxbow.example.com' })), null)
})

test('a certificate is read with its key, and what is wrong with it is said', () => {
  const [one, other] = [makeAuthority(Date.now()), makeAuthority(Date.now())]
  const old = makeAuthority(Date.now() - 4_000 * 86_400_000)
  const [cert, key] = [file('one.crt', one.cert), file('one.key', one.key)]
  assert.deepEqual(readDoorTls(door({ host: '0.0.0.0', cert, key })), { cert: one.cert, key: one.key })
  assert.throws(() => readDoorTls(door({ cert })), { message: /belong together/ })
  assert.throws(() => readDoorTls(door({ cert, key: file('other.key', other.key) })), { message: /another certificate/ })
  assert.throws(() => readDoorTls(door({ cert: file('old.crt', old.cert), key: file('old.key', old.key) })), { message: /it ended on/ })
  assert.throws(() => readDoorTls(door({ cert: join(folder, 'none.crt'), key })), { code: 'bad_config', message: /ENOENT/ })
})
