/** Attached texts, by the program as a person runs it: their beginning is in the request, and later messages can still save them. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startModel } from '../support/model.ts'
import { openHome } from '../support/program.ts'

test('the beginning of an attached text is in the request, and a later message saves the file', { timeout: 120_000 }, async () => {
  await using model = await startModel({
    turns: [
      { match: 'What is in it?', steps: [{ events: [{ text: 'A list.' }] }] },
      {
        match: 'Keep it.',
        steps: [
          { events: [{ tool_call: { name: 'attachment_save', arguments: { index: 0, path: '/shared/kept.txt' } } }] },
          { events: [{ text: 'Kept.' }] },
        ],
      },
    ],
  })
  await using home = await openHome(`[model]\nprovider = "openai"\nbase_url = "${model.config.base_url}"\n[memory]\nembedder = "none"\n`)
  const notes = join(home.folder, 'notes.txt')
  writeFileSync(notes, 'Milk from the green shop\n')
  const asked = await home.oxbow(['run', '--attach', notes, 'What is in it?'])
  assert.equal(asked.exit, 0, asked.err)
  assert.match(JSON.stringify(model.requests.at(-1)), /Milk from the green shop/)
  const kept = await home.oxbow(['run', '--continue', 'Keep it.'])
  assert.deepEqual([kept.exit, kept.out], [0, 'Kept.\n'], kept.err)
  assert.equal(readFileSync(join(home.folder, 'users/default/shared/kept.txt'), 'utf8'), 'Milk from the green shop\n')
})
