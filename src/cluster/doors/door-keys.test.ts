/** Whom a door lets wait for a guest that sleeps: keys as a guest makes them, and everybody else. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { loadDoorParts } from '../../gateway/index.ts'
import { hashOfKey } from '../../protocol/index.ts'
import { createDoorKeys } from './door-keys.ts'

const request = (headers: Record<string, string>, url = '/api/v1/sessions', method = 'GET'): IncomingMessage =>
  ({ headers: { ...headers, 'x-forwarded-for': '192.0.2.1' }, url, method }) as unknown as IncomingMessage

async function open(now = () => 0) {
  const [id, secret, salt] = ['0123456789abcdef', randomBytes(32).toString('base64url'), randomBytes(16).toString('base64url')]
  const key = { salt, hash: (await hashOfKey(secret, salt)).toString('base64url'), expires_at: 1_000 as number | null }
  const documents = new Map([
    [`ann system/keys ${id}`, key as object],
    ['ann system/channels news', {}],
  ])
  const reads: string[] = []
  const store = {
    async document(user: string, category: string, name: string) {
      reads.push(`${user} ${category} ${name}`)
      const found = documents.get(`${user} ${category} ${name}`)
      return found === undefined ? null : JSON.stringify(found)
    },
  }
  return { keys: createDoorKeys({ parts: await loadDoorParts(), store, now }), text: `oxbow_${id}${secret}`, documents, id, reads }
}

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` })
const failure = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'admitted',
    (error: unknown) => (isOxbowError(error) ? `${error.code}: ${error.message}` : String(error)),
  )

test('a key of the user is admitted until it expires or is revoked, whatever was proven before', async () => {
  let now = 0
  const { keys, text, documents, id } = await open(() => now)
  await keys.admit(request(bearer(text)), 'ann', false)
  await keys.admit(request({ 'x-api-key': text }), 'ann', false)
  await keys.admit(request({ 'sec-websocket-protocol': `oxbow, bearer.${text}` }, '/ws'), 'ann', true)
  now = 1_000
  assert.match(await failure(keys.admit(request(bearer(text)), 'ann', false)), /^unauthenticated: The API key is not known/)
  now = 0
  documents.delete(`ann system/keys ${id}`)
  assert.match(await failure(keys.admit(request(bearer(text)), 'ann', false)), /^unauthenticated: The API key is not known/)
})

test('keys of others, wrong ones and users that do not exist get the same answer', async () => {
  const { keys, text } = await open()
  const wrong = `${text.slice(0, -1)}${text.endsWith('A') ? 'B' : 'A'}`
  const answers = [
    await failure(keys.admit(request(bearer(wrong)), 'ann', false)),
    await failure(keys.admit(request(bearer(text)), 'bob', false)),
    await failure(keys.admit(request(bearer(wrong)), 'nobody', false)),
  ]
  assert.deepEqual(new Set(answers), new Set(['unauthenticated: The API key is not known, or was revoked.']))
  assert.equal(await failure(keys.admit(request({}), 'ann', false)), await failure(keys.admit(request({}), 'nobody', false)))
  assert.match(await failure(keys.admit(request({}, `/api/v1/sessions?key=${text}`), 'ann', false)), /^bad_input/)
})

test('the page of a user is known by its cookie and its address together', async () => {
  const { keys, text } = await open()
  const [cookie, part] = [text.slice(0, -21), text.slice(-21)]
  const headers = { host: 'door:7700', cookie: `oxbow-7700=${cookie}`, origin: 'http://door:7700' }
  await keys.admit(request(headers, `/web/${part}/ws`), 'ann', true)
  assert.notEqual(await failure(keys.admit(request(headers, '/ws'), 'ann', true)), 'admitted')
  const elsewhere = { ...headers, origin: '', 'sec-fetch-site': 'cross-site' }
  assert.match(await failure(keys.admit(request(elsewhere, `/web/${part}/ws`), 'ann', true)), /^denied/)
})

test('a webhook wakes only whom it belongs to, and not for ever', async () => {
  const { keys } = await open()
  const hook = (user: string, name: string) => failure(keys.admit(request({}, `/hooks/${name}`, 'POST'), user, false))
  assert.match(await hook('ann', 'other'), /^unauthenticated/)
  assert.match(await hook('nobody', 'news'), /^unauthenticated/)
  assert.equal(await hook('ann', 'news'), 'admitted')
  const later = await Promise.all(Array.from({ length: 10 }, () => hook('ann', 'news')))
  assert.ok(later.some((answer) => answer.startsWith('limit_reached')))
})

test('whoever signs in reaches a guest that runs, and wakes none that sleeps', async () => {
  const { keys, reads } = await open()
  for (const url of ['/sign-in', '/sign-in/callback?code=c&state=s', '/sign-in/device']) {
    keys.refuseEmpty(request({}, url))
    assert.match(await failure(keys.admit(request({}, url), 'ann', false)), /^unauthenticated/)
    assert.match(await failure(keys.admit(request(bearer('eyJhbGciOiJub25lIn0.e30.'), url), 'ann', false)), /^unauthenticated/)
  }
  assert.throws(() => keys.refuseEmpty(request({}, '/sign-information')), /unauthenticated|token|key/i)
  assert.deepEqual(reads, [], 'the store was not asked')
})

test('guesses are limited before they cost anything, by the key and by who guesses', async () => {
  const { keys, text, reads } = await open()
  const guess = (i: number): Promise<string> =>
    failure(keys.admit(request(bearer(text.slice(0, 22) + String(i).padStart(43, 'x'))), 'ann', false))
  const answers: string[] = []
  for (let i = 0; i < 40; i += 1) answers.push(await guess(i))
  assert.match(answers.at(-1)!, /^limit_reached/)
  // What has no key at all asks the store nothing.
  const before = reads.length
  for (let i = 0; i < 200; i += 1) answers.push(await failure(Promise.resolve().then(() => keys.refuseEmpty(request({})))))
  assert.equal(reads.length, before)
  assert.match(answers.at(-1)!, /^limit_reached: Too many requests without a valid key/)
})
