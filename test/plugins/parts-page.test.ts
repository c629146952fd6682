/** docs/plugin-parts.md: it has each part that `definePlugin` takes, with its fields as the types have them, and its examples run as they stand there. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { blocksOf } from '../docs/doc-blocks.ts'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('docs/plugin-parts.md', root), 'utf8')
const source = readFileSync(new URL('src/plugin-host/plugin-object.ts', root), 'utf8')
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((text) => [/^`(\w+)`/.exec(text)?.[1] ?? '', text]),
)

/** Names of the fields of an interface, in its order. */
function fieldsOf(text: string, name: string): readonly string[] {
  const [, body = ''] = new RegExp(`^(?:export )?interface ${name}\\b[^{]*\\{\\n([^]*?)^\\}`, 'm').exec(text) ?? []
  return Array.from(body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm), ([, field = '']) => field)
}

void test('the page has every part of a plugin, and every field of each', () => {
  const parts = fieldsOf(source, 'PluginObject')
  assert.ok(parts.length > 10)
  assert.deepEqual([...sections.keys()], parts)
  for (const part of ['ActionPart', 'ProviderPart', 'EvaluatorPart', 'ServicePart', 'RoutePart', 'TaskPart'])
    assert.deepEqual(fieldsOf(page, part), fieldsOf(source, part), part)
  const answer = readFileSync(new URL('src/plugin-host/model-answer.ts', root), 'utf8')
  assert.deepEqual(fieldsOf(page, 'ModelPiece'), fieldsOf(answer, 'ModelPiece'))
})

void test('the example of each part runs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-parts-page-'))
  try {
    const sdk = new URL('src/plugin-sdk/index.ts', root).href
    for (const [part, text] of sections) {
      const [example] = blocksOf(`docs/plugin-parts.md ${part}`, text).filter(({ language }) => language === 'js')
      assert.match(example?.text ?? '', new RegExp(`\\b${part}\\b[^]*assert\\.`), part)
      const file = join(folder, `${part}.mjs`)
      writeFileSync(file, example!.text.replace("'oxbow/plugin'", JSON.stringify(sdk)))
      await assert.doesNotReject(import(pathToFileURL(file).href), part)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
