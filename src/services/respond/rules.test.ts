import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../index.ts'
import { sectionOf } from '../../config/index.ts'
import type { TurnSource } from '../../protocol/index.ts'
import { respondConfig } from './config.ts'
import { decideByRules } from './rules.ts'

const night = Date.parse('2027-01-31T23:30:00+01:00')
const noon = Date.parse('2027-01-31T12:00:00+01:00')
const quiet = { from: '22:00', to: '07:00', time_zone: 'Europe/Berlin' }

function decide(source: TurnSource, respond: object = {}, { at = noon, bots = 0, stopped = false } = {}) {
  const rules = sectionOf(respondConfig, configSchema.parse({ respond }))
  const decision = decideByRules({ source, session: 's1', at, earlier: { bots, stopped } }, rules)
  return decision === null ? 'model' : `${decision.action}: ${decision.reason}`
}

test('a direct message, a mention, a reply and a command are answered; other messages of a group are not', () => {
  assert.equal(decide({ kind: 'direct' }), 'respond: direct')
  assert.equal(decide({ kind: 'group', mention: true }), 'respond: mention')
  assert.equal(decide({ kind: 'group', reply: true }), 'respond: reply')
  assert.equal(decide({ kind: 'group', command: true }), 'respond: command')
  assert.match(decide({ kind: 'group' }), /^ignore: not addressed/)
  assert.equal(decide({ kind: 'group' }, { group: 'model' }), 'model')
  assert.match(decide({ kind: 'group' }, { group: 'all' }), /^respond: /)
})

test('a muted channel, chat or session gets no answer, whatever is said there', () => {
  const source: TurnSource = { kind: 'group', mention: true, command: true, channel: 'telegram', chat: '-100' }
  for (const muted of ['telegram', 'telegram:-100', 's1'])
    assert.equal(decide(source, { muted: [muted] }), `ignore: muted: ${muted} (respond.muted)`)
  assert.equal(decide(source, { muted: ['telegram:-10', 'slack', 's'] }), 'respond: command')
})

test('in quiet hours a group gets answers to commands only, a person who writes directly always', () => {
  const at = night
  assert.match(decide({ kind: 'group', mention: true }, { quiet }, { at }), /^ignore: quiet hours/)
  assert.equal(decide({ kind: 'group', mention: true }, { quiet }), 'respond: mention')
  assert.equal(decide({ kind: 'group', command: true }, { quiet }, { at }), 'respond: command')
  assert.equal(decide({ kind: 'direct' }, { quiet }, { at }), 'respond: direct')
  assert.match(decide({ kind: 'direct', bot: true }, { quiet }, { at }), /^ignore: a bot in quiet hours/)
})

test('a loop of bots is cut, even where they mention the agent, and a person is answered again', () => {
  const bot: TurnSource = { kind: 'group', mention: true, bot: true }
  assert.equal(decide(bot, {}, { bots: 4 }), 'respond: mention')
  assert.match(decide(bot, {}, { bots: 5 }), /^stop: a loop of bots: 5 messages/)
  assert.match(decide({ kind: 'direct', bot: true }, { max_bot_turns: 0 }), /^stop: /)
  assert.equal(decide({ kind: 'group', mention: true }, {}, { bots: 5 }), 'respond: mention')
})

test('where the agent was asked to stay out, only a message that is addressed to it is answered', () => {
  const group = { group: 'model' }
  assert.match(decide({ kind: 'group' }, group, { stopped: true }), /^ignore: the agent stays out/)
  assert.equal(decide({ kind: 'group', mention: true }, group, { stopped: true }), 'respond: mention')
  assert.match(decide({ kind: 'group', bot: true }, group), /^ignore: not addressed/)
})
