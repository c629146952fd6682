/** What slash commands do: each by its effects, and those that are not whole by what they say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { screenCommands } from '../terminal/index.ts'
import { runCommand } from './run-command.ts'
import { newState, type State, type Surroundings } from './state.ts'
import { session } from './tui-fixture.ts'

const around = { now: () => 1_000 } as unknown as Surroundings
const fresh = newState({ now: 1_000, columns: 80, rows: 24 } as never)
const opened: State = { ...fresh, session: { id: session, title: '' } }
const run = (text: string, state: State = opened) => {
  const [, name = '', argument = ''] = /^\/(\S+)\s*(.*)$/s.exec(text)!
  const [next, effects] = runCommand(state, { name, argument } as never, around)
  return { next, effects, said: next.notice?.text ?? '' }
}

test('commands have the effects that their arguments say', () => {
  for (const [text, ...effects] of [
    ['/new Taxes', { type: 'new', title: 'Taxes' }],
    ['/switch', { type: 'list_sessions' }],
    ['/switch 0189', { type: 'open', prefix: '0189' }],
    ['/model', { type: 'list_models' }],
    ['/model small', { type: 'choose_model', model: 'small' }],
    ['/agent reviewer', { type: 'choose_agent', agent: 'reviewer' }],
    ['/attach a.txt', { type: 'attach', path: 'a.txt' }],
    ['/fork #12', { type: 'fork', message: 12 }],
    ['/fork here', { type: 'fork', message: null }],
    ['/rename Taxes 2026', { type: 'rename', title: 'Taxes 2026' }],
    ['/prompt server  name', { type: 'prompt', words: ['server', 'name'] }],
    ['/tell reader also this', { type: 'control_agent', verb: 'tell', agent: 'reader', argument: 'also this' }],
    ['/raise reader 50000', { type: 'control_agent', verb: 'raise', agent: 'reader', argument: '50000' }],
    ['/theme dark', { type: 'set_theme', theme: 'dark' }],
    ['/quit', { type: 'exit' }],
  ] as const)
    assert.deepEqual(run(text, { ...opened, theme: 'light' }).effects, effects, text)
})

test('a command that is not whole does nothing and shows an example', () => {
  for (const [text, said] of [
    ['/tell reader', /\/tell reader also/],
    ['/raise reader much', /\/raise reader 50000/],
    ['/raise reader 0', /\/raise reader 50000/],
    ['/kill', /\/kill reader/],
    ['/pause reader now', /\/pause reader/],
    ['/rename', /\/rename Taxes/],
    ['/cancel', /No turn is running/],
  ] as const) {
    const { effects, said: is } = run(text)
    assert.deepEqual(effects, [], text)
    assert.match(is, said, text)
  }
})

test('what needs a session says so without one, and a theme needs colours', () => {
  for (const text of ['/fork', '/rename x', '/archive', '/compact', '/prompt a b']) {
    const { effects, said } = run(text, fresh)
    assert.deepEqual(effects, [], text)
    assert.match(said, /no session yet/, text)
  }
  assert.match(run('/theme dark', { ...opened, theme: 'plain' }).said, /NO_COLOR/)
})

test('files are taken back, calls unfold and a question is answered', () => {
  assert.deepEqual(run('/attach', { ...opened, files: ['a'] as never }).next.files, [])
  assert.equal(run('/details', { ...opened, allOpen: false }).next.allOpen, true)
  assert.deepEqual(run('/approve', { ...opened, question: null }).effects, [{ type: 'list_approvals' }])
  const { next } = run('/approve', { ...opened, question: { focused: false } as never })
  assert.equal(next.question?.focused, true)
})

test('every command of the screen does something', () => {
  for (const { name } of screenCommands.filter((command) => command.name !== 'find')) {
    const { next, effects } = run(`/${name} x`, { ...opened, question: null })
    assert.ok(effects.length > 0 || next !== opened, name)
  }
})
