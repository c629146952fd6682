import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { surveyOperations } from './survey-folder.ts'

describe('a survey', () => {
  let top = ''
  before(() => {
    top = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-survey-')))
    mkdirSync(join(top, 'many'))
    for (let i = 0; i < 3_000; i += 1) writeFileSync(join(top, 'many', `${i}`), '')
  })
  after(() => rmSync(top, { recursive: true }))

  it('hears a cancel also within a folder of many entries', async () => {
    const { survey } = surveyOperations([{ virtual: top, real: top }])
    const stop = new AbortController()
    const input = { path: top, maxEntries: 2_500 }
    assert.deepEqual((await survey(input, stop.signal)).truncated, true)
    const surveying = survey(input, stop.signal)
    setImmediate(() => stop.abort())
    await assert.rejects(surveying, /Cancelled/)
  })
})
