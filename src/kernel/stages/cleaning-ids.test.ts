/** What tools name must come back to them whole: ids, hashes and versions only look like secrets. */
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { createIdMaker, systemClock, systemRandom } from '../../base/index.ts'
import { knowing, outputOf } from '../kernel-fixture.ts'
import { createCleaner } from './cleaning.ts'

const planted = new Map([
  ['OPENAI_API_KEY', `sk-proj-${randomBytes(36).toString('base64url')}`],
  ['HEX_TOKEN', randomBytes(32).toString('hex')],
  ['UUID_KEY', randomUUID()],
  ['CLOUD_KEY', randomBytes(30).toString('base64')],
])
const secrets = knowing(planted)
const origin = outputOf('file.read')
const cleaner = createCleaner({ workspaceRoot: '/home/ada/ws', secrets, keep: async () => assert.fail('nothing is cut') })

const newId = createIdMaker(systemClock, systemRandom)
const times = (count: number, make: (i: number) => string): string[] => Array.from({ length: count }, (_, i) => make(i))
const hash = (algorithm: string, i: number): string => createHash(algorithm).update(`${i}`).digest('hex')

/** By kind, ten thousand and more of each where chance could matter. */
const ids: Readonly<Record<string, readonly string[]>> = {
  'random UUIDs': times(10_000, () => randomUUID()),
  'ids of calls': times(10_000, (i) => `${newId()}.${i % 20}`),
  'commit ids': times(10_000, (i) => hash('sha1', i)),
  'short commit ids': times(10_000, (i) => hash('sha1', i).slice(0, 7 + (i % 6))),
  'hashes of blobs': times(10_000, (i) => hash('sha256', i)),
  'hashes of a lock file': times(10_000, (i) => `sha512-${createHash('sha512').update(`${i}`).digest('base64')}`),
  'image digests': times(1_000, (i) => `docker.io/library/node@sha256:${hash('sha256', i)}`),
  'names of uploads': times(1_000, () => `vault-copy-${newId()}.0`),
}

describe('an id that a tool returns', () => {
  for (const [kind, values] of Object.entries(ids)) {
    it(`reaches the model unchanged: ${kind}`, () => {
      const text = values.join('\n')
      assert.equal(cleaner.scrub(secrets.learn(text, origin)), text)
      assert.equal(cleaner.scrub(secrets.learn(JSON.stringify(values), origin)), JSON.stringify(values))
    })
  }

  it('reaches the model unchanged in a whole lock file', () => {
    const lock = readFileSync(new URL('../../../package-lock.json', import.meta.url), 'utf8')
    assert.equal(cleaner.scrub(secrets.learn(lock, origin)), lock)
  })

  it('does not hide a secret among them, whatever it looks like', () => {
    const all = Object.values(ids).flat()
    for (const [name, secret] of planted) {
      const text = cleaner.scrub([...all.slice(0, 5_000), `key=${secret},`, ...all.slice(5_000)].join('\n'))
      assert.ok(!text.includes(secret), name)
      assert.ok(text.includes(`key=[secret:${name}],`), name)
    }
  })
})
