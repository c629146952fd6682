/** docs/decisions/2026-11-26-defaults.md: what it says of Oxbow are the defaults of the configuration, of calls, and constants. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { maxSkillMdBytes } from '../../src/config/index.ts'
import { describedCalls } from '../../src/guest/offline.ts'
import { tableWeights } from '../../src/memory/embed/embed-limits.ts'
import { protocolVersion } from '../../src/protocol/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { maxBodyTokens, maxListTokens } from '../../src/skills/limits.ts'
import { bm25 } from '../../src/store/limits.ts'

const page = readFileSync(new URL('../../docs/decisions/2026-11-26-defaults.md', import.meta.url), 'utf8')
const config = parseConfig({}, 'the defaults')
const constants = {
  bm25,
  frames: { version: protocolVersion },
  vectors: { share: tableWeights.vector },
  skill: { list_tokens: maxListTokens, body_tokens: maxBodyTokens, max_bytes: maxSkillMdBytes },
}
/** The least that a call must be told; the rest are defaults. */
const inputs: Readonly<Record<string, unknown>> = {
  'schedule.create': { name: 'report', goal: 'Report.', cadence: { type: 'cron', expression: '0 7 * * *' } },
  'shell.exec': { command: 'true' },
}

const at = (value: unknown, path: string): unknown =>
  path.split('.').reduce((held, key) => (typeof held === 'object' && held !== null ? Reflect.get(held, key) : undefined), value)

/** The fifth cell of each row, without the heads of the tables. */
const cells = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| what') && !line.startsWith('| ---'))
  .map((line) => line.split('|')[5] ?? '')

void test('every default that the page names is the one that holds', async () => {
  const calls = new Map((await describedCalls(config)).map(({ name, input }) => [name, input]))
  const named = cells.flatMap((cell) => [...cell.matchAll(/`(?:(\S+) )?(\S+) = ([^`]+)`/g)])
  for (const [text, call, path = '', value = ''] of named) {
    const from = call === undefined ? { ...config, ...constants } : calls.get(call)?.parse(inputs[call])
    assert.deepEqual(at(from, path), JSON.parse(value), text)
  }
  assert.ok(named.length > 35)
  const silent = cells.filter((cell) => !cell.includes(' = '))
  assert.equal(silent.length, 1, `rows without a value to compare: ${silent.join(';')}`)
})
