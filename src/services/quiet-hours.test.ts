import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQuiet, localTime, quietUntil } from './quiet-hours.ts'

const night = { from: '22:00', to: '07:00', time_zone: 'Europe/Berlin' }
const at = (text: string): number => Date.parse(text)

test('quiet hours go over midnight by the clock of their zone, and begin and end on the minute', async () => {
  assert.equal(isQuiet(at('2027-01-31T21:59:59+01:00'), night), false)
  assert.equal(isQuiet(at('2027-01-31T22:00:00+01:00'), night), true)
  assert.equal(isQuiet(at('2027-02-01T06:59:59+01:00'), night), true)
  assert.equal(isQuiet(at('2027-02-01T07:00:00+01:00'), night), false)
  assert.equal(await quietUntil(at('2027-01-31T23:00:00+01:00'), night), at('2027-02-01T07:00:00+01:00'))
  assert.equal(await quietUntil(at('2027-01-31T12:00:00+01:00'), night), null)
  assert.equal(localTime(at('2027-01-31T23:30:00Z'), 'Asia/Tokyo').day, '2027-02-01')
})

test('a night in which the clock is changed ends at its own seven o’clock', async () => {
  // 28 March 2027: 02:00 becomes 03:00. 31 October 2027: 03:00 becomes 02:00.
  assert.equal(await quietUntil(at('2027-03-27T23:00:00+01:00'), night), at('2027-03-28T07:00:00+02:00'))
  assert.equal(await quietUntil(at('2027-10-30T23:00:00+02:00'), night), at('2027-10-31T07:00:00+01:00'))
  // Hours that end in the gap end behind it.
  const gap = { from: '01:00', to: '02:30', time_zone: 'Europe/Berlin' }
  const end = await quietUntil(at('2027-03-28T01:30:00+01:00'), gap)
  assert.ok(end !== null && !isQuiet(end, gap) && end <= at('2027-03-28T04:00:00+02:00'), String(end))
})

test('the same moment is quiet in one zone and not in another', () => {
  const noon = at('2027-06-01T12:00:00Z')
  assert.equal(isQuiet(noon, { ...night, time_zone: 'Pacific/Auckland' }), true)
  assert.equal(isQuiet(noon, { ...night, time_zone: 'America/New_York' }), false)
  assert.throws(() => isQuiet(noon, { ...night, time_zone: 'Nowhere/Here' }))
})
