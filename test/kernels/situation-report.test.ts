import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readReports } from './situation-report.ts'
import type { SituationReport } from './situation-report.ts'

const said = `@situation root, here
    ok 1 - one
      ---
      type: 'test'
    not ok 2 - two
      ---
      duration_ms: 3
      type: 'test'
    ok 3 - three # SKIP no cpu is handed down
      ---
      type: 'test'
not ok 1 - a suite
  ---
  duration_ms: 5
  type: 'suite'
@ended 1 12.5`

async function* lines(text: string): AsyncGenerator<string, void> {
  for (const line of text.split('\n')) yield line
}

async function all(reports: AsyncIterable<SituationReport>): Promise<readonly SituationReport[]> {
  const found: SituationReport[] = []
  for await (const each of reports) found.push(each)
  return found
}

describe('the report of a machine', () => {
  it('holds what passed, failed and was skipped, and counts no suite', async () => {
    const [report] = await all(readReports(lines(`${said}\n@down 13`)))
    const { text, ...rest } = report!
    assert.deepEqual(rest, {
      name: 'root, here',
      exitCode: 1,
      seconds: 12.5,
      passed: ['one'],
      failed: ['two'],
      skipped: ['three # SKIP no cpu is handed down'],
    })
    assert.ok(text.includes('duration_ms'))
  })

  it('is an error when the machine stops before it said that it goes down', async () => {
    await assert.rejects(all(readReports(lines(said))), /stopped in no situation/)
    await assert.rejects(all(readReports(lines('@situation one\nlast words'))), /stopped in one:\nlast words/)
  })
})
