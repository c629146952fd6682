/** Verbs that run at the same time, without `oxbow serve`: one starts the guest, and none loses it to the end of that one. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'
import { shareCompileCache } from '../../../test/support/compile-cache.ts'
import { guestEntry } from '../../../test/support/built.ts'

let home = ''
before(() => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-together-'))
  shareCompileCache(home)
})
after(() => rmSync(home, { recursive: true }))

async function oxbow(...args: readonly string[]): Promise<string> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end()
  const program = { entry: guestEntry }
  const exit = await runProgram(args, { input, output, errors, env: { OXBOW_HOME: home }, version: '1', program } as unknown as Terminal)
  return exit === 0 ? '' : `${args[0]}: ${exit} ${String(errors.read())}`
}

test('a verb keeps the guest that others use, and each of them ends well', async () => {
  // The turns outlast the others, whichever starts the guest.
  const verbs = [
    ['run', 'help'],
    ['memory', 'add', 'one note'],
    ['agents'],
    ['schedule', 'add', 'check', '--every', '3600'],
    ['memory', 'add', 'another'],
  ]
  const ended = await Promise.all(verbs.map((args) => oxbow(...args, '--json')))
  assert.deepEqual(
    ended,
    verbs.map(() => ''),
  )
  const left = readdirSync(join(home, 'users/default/ipc')).filter((name) => name.startsWith('verb-') || name === 'gateway.json')
  assert.deepEqual(left, [])
})
