/** The program that docs/programs.md shows, from its folder among the examples. */
import assert from 'node:assert/strict'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { openBundled } from './bundled-home.ts'

const example = fileURLToPath(new URL('../../examples/programs/note', import.meta.url))

void test('the example of the documentation runs as it is written', async () => {
  await using home = await openBundled([])
  cpSync(example, join(home.folder, 'programs', 'note'), { recursive: true })
  assert.match(await home.result<string>('note', { text: 'Water the plants.' }), /Water the plants\./)
  assert.equal(readFileSync(join(home.shared, 'notes', 'note.txt'), 'utf8'), 'Water the plants.')
  const script = readFileSync(join(example, 'main.js'), 'utf8')
  assert.ok(readFileSync(new URL('../../docs/programs.md', import.meta.url), 'utf8').includes(script), 'the page shows it')
})
