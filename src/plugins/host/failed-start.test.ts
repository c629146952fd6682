/** Plugins whose hosts do not start: each says which error it was, and in which line of the plugin. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toFailure } from '../../base/index.ts'
import { type HostBench, makeHostBench } from './host-fixture.ts'
import { lastWords } from './last-words.ts'

const sdk = "import { definePlugin } from 'oxbow/plugin'\n"
const plugins = {
  syntax: `${sdk}\nexport default definePlugin({\n  name: 'syntax',\n  actions: [ }\n})\n`,
  throws: `${sdk}const nothing = undefined\n\nnothing.foo()\nexport default definePlugin({ name: 'throws' })\n`,
  text: `${sdk}throw 'no luck'\n`,
  missing: `${sdk}import './not-here.js'\nexport default definePlugin({ name: 'missing' })\n`,
  init: `${sdk}export default definePlugin({ name: 'init',\n  async init() {\n    throw new RangeError('no key')\n  },\n})\n`,
  exits: `console.log('cannot go on')\nprocess.exit(3)\n`,
  crashes: `${sdk}setImmediate(() => {\n  throw new TypeError('in a timer')\n})\nawait new Promise((resolve) => setTimeout(resolve, 60_000))\n`,
  worker: `${sdk}import { Worker } from 'node:worker_threads'\nimport { once } from 'node:events'\nawait once(new Worker('throw new Error("in it")', { eval: true }).on('exit', () => {}), 'never')\n`,
  command: `${sdk}import { execFileSync } from 'node:child_process'\n\nexecFileSync('sleep', ['60'])\n`,
  waits: `${sdk}\nawait Promise.resolve()\nawait new Promise(() => {})\n`,
  initWaits: `${sdk}export default definePlugin({ name: 'initWaits',\n  async init() {\n    await new Promise((resolve) => setTimeout(resolve, 60_000))\n  },\n})\n`,
  spins: `${sdk}function spin() {\n  for (;;) {}\n}\nspin()\n`,
}

async function failureOf({ hosts }: HostBench, name: string): Promise<{ readonly message: string; readonly log: string }> {
  const failed = await hosts.exports(name, new AbortController().signal).then(
    () => assert.fail(`${name} started`),
    (error: unknown) => toFailure(error, 'internal_failure', ''),
  )
  return { message: failed.message, log: await hosts.log(name) }
}

describe('a plugin that does not start', () => {
  it('says which error it was, with file and line, and its log has more', async () => {
    await using bench = await makeHostBench({ plugins, deps: { checkMs: 2_500, startMs: 8_000 } })
    const { syntax, throws, text, missing, init, exits, crashes, spins, worker, command, waits, initWaits } = Object.fromEntries(
      await Promise.all(Object.keys(plugins).map(async (name) => [name, await failureOf(bench, name)])),
    ) as Record<keyof typeof plugins, { readonly message: string; readonly log: string }>
    assert.match(syntax.message, /^index\.mjs:5: SyntaxError: Unexpected token '}'$/)
    assert.match(syntax.log, /actions: \[ }\n +\^/)
    assert.match(throws.message, /^index\.mjs:4: TypeError: Cannot read properties of undefined \(reading 'foo'\)$/)
    assert.match(throws.log, /at file:\/\/\/opt\/server\/index\.mjs:4:9$/m)
    assert.doesNotMatch(throws.log, /node:internal|plugin-host/)
    assert.equal(text.message, '"no luck" was thrown')
    assert.match(missing.message, /^index\.mjs:2: Error: Cannot find module 'not-here\.js' imported from index\.mjs$/)
    assert.equal(init.message, 'index.mjs:4: RangeError: no key')
    assert.match(exits.message, /failed: it ended\. It last wrote: cannot go on\.$/)
    assert.match(crashes.message, /failed: it ended\. index\.mjs:3: TypeError: in a timer\.$/)
    assert.match(spins.message, /failed: it does not answer\. index\.mjs:3: the code does not come back in spin\.$/)
    assert.equal(worker.message, 'index.mjs:4: Error: in it')
    assert.match(command.message, /failed: it does not answer\. index\.mjs:4: the code waits here for sleep\.$/)
    assert.equal(waits.message, 'The plugin waits did not start within 8 s. index.mjs:4: the code waits here.')
    assert.equal(initWaits.message, 'The plugin initWaits did not start within 8 s. index.mjs:4: the code waits here.')
  })

  it('has last words that are short, whatever it wrote', () => {
    assert.equal(lastWords(''), '')
    assert.equal(lastWords('a\nb\n\n'), 'It last wrote: b')
    assert.equal(lastWords('x'.repeat(10_000)).length, 500)
  })
})
