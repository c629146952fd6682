/** Every shell block of the pages that is not marked `unchecked`, run literally, page by page, against one guest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openHome } from '../support/program.ts'
import { docBlocks } from './doc-blocks.ts'
import { openShell } from './run-blocks.ts'

test('the shell examples of all pages end well', async () => {
  const blocks = docBlocks().filter(({ language, unchecked }) => language === 'sh' && unchecked === '')
  assert.ok(blocks.length >= 3)
  await using home = await openHome('[model]\nprovider = "offline"\n')
  const run = await openShell(home)
  const failed: string[] = []
  for (const block of blocks) {
    const { exit, out } = await run(block)
    // curl ends well with any answer: problem details of the API have a code and a hint.
    if (exit !== 0 || /"code":\s*"\w+".*"hint":/s.test(out)) failed.push(`${block.at} ended with ${exit}: ${out}`)
  }
  assert.deepEqual(failed, [])
})
