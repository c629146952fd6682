/** Which models a message can go to: by the built command line, with a service at an address of the person's own. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { startModel, type TestModel } from '../support/model.ts'

let home: string
let model: TestModel

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-usable-'))
  shareCompileCache(home)
  model = await startModel({ models: ['first', 'second', 'third'], turns: [{ steps: [{ events: [{ text: 'an answer' }] }] }] })
  await oxbow('init', '--yes', '--base-url', model.config.base_url, '--model', 'first')
})
after(async () => {
  await oxbow('stop')
  await model[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

function oxbow(...args: readonly string[]): Promise<{ exit: number; out: string; err: string }> {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env, cwd: home }, (error, out, err) =>
      resolve({ exit: typeof error?.code === 'number' ? error.code : 0, out, err: err.replaceAll(/\n +/g, ' ') }),
    )
  })
}

interface Usable {
  readonly models: readonly { readonly id: string; readonly is_recent: boolean }[]
}

async function usable(): Promise<readonly string[]> {
  const { out, err } = await oxbow('call', 'model.usable', '{}')
  assert.notEqual(out, '', err)
  return (JSON.parse(out) as Usable).models.map(({ id, is_recent: isRecent }) => `${id}${isRecent ? ' recent' : ''}`)
}

test('a service at an address of one’s own offers what it lists, and what was used last comes first', async () => {
  assert.equal((await oxbow('start')).exit, 0)
  assert.deepEqual(await usable(), ['openai/first', 'openai/second', 'openai/third'])
  // Without a size in the configuration or the catalog, the usual window is assumed.
  const ran = await oxbow('run', '--model', 'third', 'hi')
  assert.match(ran.out, /an answer/, ran.err)
  assert.deepEqual(await usable(), ['openai/first', 'openai/third recent', 'openai/second'])
})

test('a name that the service does not list is refused with the nearest of its names', async () => {
  const { exit, err } = await oxbow('call', 'model.usable', JSON.stringify({ model: 'secnd' }))
  assert.notEqual(exit, 0)
  assert.match(err, /does not list the model "secnd"\.\s+hint: It lists openai\/second/s)
})
