import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/index.ts'
import { type AskMore, noticeKind, noticeKinds, type NoticeName, sayNotice } from './notices.ts'

const ran: AskMore = async () => ({ status: 'ok', output: { runs: [{ summary: 'All is well.' }] } as never, text: '', ok: true })
const lost: AskMore = () => Promise.reject(new Error('the guest is gone'))
const said = async (kind: NoticeName, fields: JsonObject, ask = ran): Promise<readonly string[]> => {
  const { tone, text, more } = await sayNotice({ kind, fields }, ask)
  return [tone, text, more]
}

test('each kind says what happened and which verb shows more', async () => {
  const schedule = { schedule: '0199d2c4-1111', name: 'report' }
  const ended = { ...schedule, status: 'success', notify: true }
  assert.deepEqual(await said('schedule_ended', ended), [
    'info',
    'the schedule report has run: All is well.',
    'oxbow schedule runs 0199d2c4',
  ])
  assert.deepEqual(await said('schedule_ended', { ...ended, status: 'failed' }, lost), [
    'info',
    'the schedule report ended (failed)',
    'oxbow schedule runs 0199d2c4',
  ])
  assert.match((await said('schedule_disabled', { ...schedule, failures: 5 })).join(), /^warning,the schedule report has failed 5 times/)
  assert.match((await said('budget_warning', { ...schedule, worst: {} })).join(), /a run of the schedule report may need more/)
  const used = { budget: 'user/day', micro_dollars: { used: 900_000, limit: 1_000_000 }, calls: { used: 8, limit: 10 }, until: null }
  assert.deepEqual(await said('budget_warning', used), [
    'warning',
    'the budget user/day is nearly used up: $0.90 of $1.00, 8 of 10 calls',
    'oxbow budget list',
  ])
  assert.match((await said('plugin_disabled', { plugin: 'clock' })).join(), /the plugin clock .*,oxbow plugin logs clock$/)
})

test('an event without fields, as an older version may have noted, is said too', async () => {
  for (const kind of noticeKinds) assert.notEqual((await said(kind, {}, lost))[1], '')
})

test('of schedules that ended only those are notices whose schedule asks for it; what others publish under another name is not', () => {
  assert.equal(noticeKind('schedule_ended', { notify: false }), undefined)
  assert.equal(noticeKind('schedule_ended', { notify: true }), 'schedule_ended')
  assert.equal(noticeKind('constructor', {}), undefined)
})
