/** Verbs that show something before a person agrees to it: the real program with a real guest, with nobody to ask. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome } from '../support/program.ts'

let home: Home

before(async () => {
  home = await openHome()
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

void test('a definition is shown, and approved only by the hash of what was seen', async () => {
  const folder = join(home.folder, 'users/default/shared/.oxbow/agents')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'reviewer.toml'), 'description = "reads"\ncapabilities = ["review"]\n')
  const asked = await home.oxbow(['agents', 'approve', 'reviewer'])
  assert.equal(asked.exit, errorTable.bad_input.exit, asked.err)
  assert.match(asked.err, /reviewer, of the workspace: new[^]*hash [0-9a-f]{64}[^]*capabilities/)
  assert.match(asked.err, /Nobody can be asked here[^]*oxbow agents show reviewer --json[^]*oxbow agents approve reviewer --hash HASH/)
  const [shown] = await home.json<{ hash: string }>('agents', 'show', 'reviewer')
  const other = await home.oxbow(['agents', 'approve', 'reviewer', '--hash', '0'.repeat(64)])
  assert.notEqual(other.exit, 0)
  const approved = await home.oxbow(['agents', 'approve', 'reviewer', '--hash', shown!.hash])
  assert.equal(approved.out, 'Approved reviewer. It counts until its files change.\n', approved.err)
  assert.match((await home.oxbow(['ps', 'list'])).out, /reviewer +workspace +ready/)
  assert.match((await home.oxbow(['agents', 'revoke', 'reviewer', '--dry-run'])).out, /^Would take back the approval of reviewer/)
  assert.equal((await home.oxbow(['agents', 'revoke', 'reviewer'])).out, 'Revoked reviewer.\n')
})

void test('instructions of a folder are trusted by the hash of what was seen', async () => {
  const file = '/shared/AGENTS.md'
  writeFileSync(join(home.folder, 'users/default', file), 'Answer in rhymes.\n')
  const [shown] = await home.json<{ hash: string; state: string }>('skills', 'show', file)
  assert.equal(shown!.state, 'new')
  const trusted = await home.oxbow(['skills', 'trust', file, '--hash', shown!.hash])
  assert.equal(trusted.out, 'Trusted /shared/AGENTS.md. It counts until it changes.\n', trusted.err)
  const again = await home.oxbow(['skills', 'trust', file])
  assert.deepEqual([again.exit, again.err], [0, '/shared/AGENTS.md is trusted as it is.\n'])
})

void test('what a call refuses is named by the option that was typed', async () => {
  const { err, exit } = await home.oxbow(['remotes', 'add', 'lab', 'ftp://x'])
  assert.equal(exit, errorTable.bad_input.exit)
  assert.match(err, /^error: the url: must be an http or https URL\.\nhint: Add --help to see the options\.\n$/)
})
