/** Where a handle becomes a value: only for the calls and hosts that a person has named, wherever in the input it stands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Call } from '../protocol/index.ts'
import { createSecrets, noKeeper, type Origin } from './secrets.ts'
import { createSecretUses } from './secret-use.ts'

const [known, other] = ['known-Value-1234', 'other-Value-5678']
const secrets = createSecrets({
  known: new Map([
    ['KEY', known],
    ['OTHER', other],
  ]),
  keeper: noKeeper(Buffer.alloc(32)),
  documents: { all: async () => [], put: async () => {} },
  policies: { KEY: { calls: ['web.fetch', 'mcp.files.send'], hosts: ['api.example.org', '*.example.net:8443'], env: '' } },
  vault: { changed: () => null },
})
const uses = createSecretUses(secrets)
const callOf = (name: string, right: string, more: object = {}): Call =>
  ({ name, right, audience: ['model'], labels: { adds: [], sink: true }, ...more }) as unknown as Call
const fetch = callOf('web.fetch', 'web.read', { reaches: { kind: 'url' } })
const save = callOf('state.save', 'state.write')
const write = callOf('file.write', 'file.write')
const caller = { user: 'ann', actor: 'agent:ox', rights: new Set(), audience: 'model', session: 's1', turn: '', process: '' }
const origin = { caller, call: 'c1', name: 'web.fetch' } as unknown as Origin
const judge = (call: Call, input: unknown, own: readonly string[] = []) => uses.judge(origin.caller, call, input, own)

test('a named call sends a secret to the hosts that its policy names, and nowhere else', () => {
  const to = (url: string) => judge(fetch, { url, headers: { 'x-key': '[secret:KEY]' } })
  assert.equal(to('https://api.example.org/x'), null)
  assert.equal(to('https://a.example.net:8443/'), null)
  for (const url of [
    'https://example.org/',
    'https://api.example.org.evil.example/',
    'https://a.example.net/',
    'https://example.net:8443/',
  ])
    assert.match(to(url)?.message ?? '', /may not send the secret KEY there/, url)
})

test('a secret that no policy names for the call is refused, in a value and in the name of a field', () => {
  const input = { url: 'https://api.example.org/', headers: { 'x-key': '[secret:KEY]' } }
  assert.match(judge(fetch, { ...input, headers: { 'x-key': '[secret:OTHER]' } })?.message ?? '', /may not use the secret OTHER/)
  assert.match(judge(fetch, { ...input, headers: { '[secret:OTHER]': '[secret:KEY]' } })?.hint ?? '', /the name of a field/)
})

test('what runs has the values that were judged; a call of the kernel has the handles', () => {
  const input = { url: 'https://api.example.org/', headers: { 'x-key': '[secret:KEY]', note: '[secret:nobody]' } }
  assert.deepEqual(uses.begin(origin, fetch, input, []).input, { ...input, headers: { 'x-key': known, note: '[secret:nobody]' } })
  assert.deepEqual(uses.begin(origin, save, { text: '[secret:KEY]' }, []).input, { text: '[secret:KEY]' })
})

test('a call that keeps a secret gets what its caller wrote, and no other secret by its handle', () => {
  const keeps = callOf('config.set', 'config.write', { keepsSecret: true })
  const { input, own } = uses.adopt({ value: known, note: '[secret:OTHER]' })
  assert.deepEqual([input, own], [{ value: '[secret:KEY]', note: '[secret:OTHER]' }, ['KEY']])
  assert.deepEqual(uses.begin(origin, keeps, input, own).input, { value: known, note: '[secret:OTHER]' })
})

test('what a session has read in a file it may write to a file, and another session may not', () => {
  const input = { path: '/shared/x', content: '[secret:OTHER]' }
  assert.match(judge(write, input)?.hint ?? '', /Or read the file that has it first/)
  const read = uses.begin(origin, callOf('file.read', 'file.read'), { path: '/shared/app.env' }, [])
  assert.equal(read.clean(`KEY=${other}`, true), 'KEY=[secret:OTHER]')
  assert.equal(judge(write, input), null)
  const elsewhere = { ...caller, session: 's2' } as unknown as Origin['caller']
  assert.match(uses.judge(elsewhere, write, input, [])?.message ?? '', /may not use the secret OTHER/)
})
