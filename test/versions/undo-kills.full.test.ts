/**
 * A guest that is killed at any point of a turn, of its undo and of the undo of that: files, notes, saved documents, the scratchpad and schedules
 * are all as they were, or all undone, once it serves again.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { newId } from '../support/conversation.ts'
import { type Killable, killable } from '../support/killable.ts'
import { outputOf } from '../support/ready.ts'
import { longSeries, seed } from '../support/scale.ts'
import { openTerminal, type Terminal } from '../support/terminal.ts'

/** All of them with `OXBOW_TEST_SERIES=long`. `OXBOW_TEST_MINUTES` ends the series earlier, and says how far it came. */
const rounds = longSeries(300)
const endsAt = Date.now() + Number(process.env['OXBOW_TEST_MINUTES'] ?? Infinity) * 60_000
const files = 60
const config = `[agent]
rights = ["file.read", "file.write", "state.write", "memory.write", "memory.read", "scratchpad.use", "schedule.write"]
[memory]
embedder = "none"
[approval]
privileged = "allow"
[flow]
irreversible = "allow"
`

const call = (name: string, input: object): object => ({ tool_call: { name, arguments: input } })

/** One turn that changes everything. @param note that it rewrites @param removed that it removes */
function scenarioOf(note: string, removed: string): object {
  const written = Array.from({ length: files }, (_, at) => call('file_write', { path: `made/${at}.txt`, text: `made ${at}\n` }))
  const events = [
    call('file_write', { path: 'a.txt', text: 'new\n' }),
    ...written,
    call('memory_save', { content: 'The ox is strong.' }),
    call('memory_update', { note_id: note, content: 'The house is blue.' }),
    call('memory_delete', { note_id: removed }),
    call('state_save', { category: 'projects', name: 'oxbow', data: 'after' }),
    call('scratchpad_write', { items: ['second plan'] }),
    call('schedule_create', { name: 'Daily', goal: 'Look', cadence: { type: 'interval', every_s: 86_400 } }),
  ]
  const plan = { events: [call('scratchpad_write', { items: ['first plan'] })] }
  return {
    turns: [
      { match: 'plan', steps: [plan, { events: [{ text: 'Planned.' }] }] },
      { match: 'change', steps: [...events.map((one) => ({ events: [one] })), { events: [{ text: 'Changed.' }] }] },
    ],
  }
}

interface Guest {
  readonly child: ChildProcess
  readonly terminal: Terminal
}

async function openGuest(home: string, { serve }: Killable): Promise<Guest> {
  const child = await serve()
  const root = join(home, 'users', 'default')
  const { url } = JSON.parse(readFileSync(join(root, 'ipc', 'gateway.json'), 'utf8')) as { url: string }
  return { child, terminal: await openTerminal(url, { root }) }
}

/** All that the turn changes. */
async function look(home: string, session: string, { terminal }: Guest): Promise<unknown> {
  const { lines } = await outputOf<{ lines: readonly string[] }>(terminal, 'memory.export', {})
  const notes = lines.flatMap((line) => /The (?:house|ox|barn) is [a-z]+\./.exec(line)?.[0] ?? [])
  const { result } = await terminal.expect('result', 'call', { name: 'scratchpad.read', input: {}, session })
  const { items } = (result as unknown as { output: { items: readonly string[] } }).output
  const state = await outputOf<{ data: unknown }>(terminal, 'state.load', { category: 'projects', name: 'oxbow' })
  const { schedules } = await outputOf<{ schedules: readonly { name: string }[] }>(terminal, 'schedule.search', {})
  // A call is answered once the start has ended what a kill has left.
  const shared = join(home, 'users', 'default', 'shared')
  const there = readdirSync(shared, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const texts = there.map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return `${path.slice(shared.length + 1)}: ${readFileSync(path, 'utf8')}`
  })
  return { texts: texts.toSorted(), notes: notes.toSorted(), items, state: state.data, schedules: schedules.map(({ name }) => name) }
}

/** Resolves at the end of a turn, also in a guest that goes on with it. */
async function ended({ terminal }: Guest, session: string, turn: string): Promise<void> {
  // A connection that follows it already is told so.
  await terminal.ask('subscribe', { session, cursor: 0 })
  const { body } = await terminal.record((record) => String(record.call) === turn && record.phase === 'outcome')
  assert.equal((body as { readonly status: string }).status, 'ok', JSON.stringify(body))
}

async function openKilledHome(): Promise<{ readonly home: string; readonly killing: Killable }> {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  shareCompileCache(home)
  writeFileSync(join(home, 'config.toml'), `[model]\nprovider = "offline"\n${config}`)
  const killing = killable(home)
  const saved = async (content: string): Promise<string> => {
    const said = await killing.oxbow('call', 'memory.save', JSON.stringify({ content }), '--json')
    return (JSON.parse(said) as { note_id: string }).note_id
  }
  const scenario = scenarioOf(await saved('The house is red.'), await saved('The barn is old.'))
  await killing.oxbow('call', 'state.save', JSON.stringify({ category: 'projects', name: 'oxbow', data: 'before' }))
  writeFileSync(join(home, 'scenario.json'), JSON.stringify(scenario))
  writeFileSync(join(home, 'config.toml'), `[model]\nprovider = "scripted"\nscenario = "${join(home, 'scenario.json')}"\n${config}`)
  const shared = join(home, 'users', 'default', 'shared')
  mkdirSync(shared, { recursive: true })
  writeFileSync(join(shared, 'a.txt'), 'old\n')
  return { home, killing }
}

void test(`${rounds} turns, undos and redos are cut off, and each is whole or had not begun`, { timeout: 14_400_000 }, async (t) => {
  const { home, killing } = await openKilledHome()
  const chance = seededNumbers(seed)
  let guest = await openGuest(home, killing)
  const seen = { turn: 0, done: 0, open: 0 }
  try {
    const { result } = await guest.terminal.expect('result', 'create_session', {})
    const session = (result as { id: string }).id
    const send = async (text: string): Promise<string> => {
      const turn = newId()
      await guest.terminal.expect('ack', 'send_turn', { session, client_id: turn, text })
      return turn
    }
    const cut = async (afterMs: number): Promise<void> => {
      await sleep(afterMs)
      guest.terminal[Symbol.dispose]()
      await killing.die(guest.child)
      guest = await openGuest(home, killing)
    }
    /** @returns how long it took */
    const undo = async (input: object): Promise<number> => {
      const from = performance.now()
      await outputOf(guest.terminal, 'version.undo', { ...input, apply: true })
      return performance.now() - from
    }
    await ended(guest, session, await send('plan'))
    const before = await look(home, session, guest)
    let turnMs = performance.now()
    let turn = await send('change')
    await ended(guest, session, turn)
    turnMs = performance.now() - turnMs
    const after = await look(home, session, guest)
    assert.notDeepEqual(after, before)
    const wholeMs = Math.max(await undo({ turn }), await undo({ redo: true }))
    let isDone = false
    for (let round = 1; round <= rounds && Date.now() < endsAt; round += 1) {
      const input = isDone ? { redo: true } : { turn }
      const asked = guest.terminal.ask('call', { name: 'version.undo', input: { ...input, apply: true } })
      asked.catch(() => {})
      await cut(chance() * wholeMs)
      const now = await look(home, session, guest)
      const was: unknown = isDone ? before : after
      const isOpen: boolean = JSON.stringify(now) === JSON.stringify(was)
      seen[isOpen ? 'open' : 'done'] += 1
      if (!isOpen) assert.deepEqual(now, isDone ? after : before, `seed ${seed}, round ${round}: ${isDone ? 'redo' : 'undo'}`)
      isDone = isOpen ? isDone : !isDone
      if (round % 2 === 1) continue
      // The same of a turn: what it changed before and after the kill is taken back.
      if (!isDone) await undo({ turn })
      assert.deepEqual(await look(home, session, guest), before, `seed ${seed}, round ${round}: undone`)
      turn = await send('change')
      await cut(chance() * turnMs)
      await ended(guest, session, turn)
      assert.deepEqual(await look(home, session, guest), after, `seed ${seed}, round ${round}: the turn goes on`)
      await undo({ turn })
      assert.deepEqual(await look(home, session, guest), before, `seed ${seed}, round ${round}: the turn that was cut off is undone`)
      await undo({ redo: true })
      isDone = false
      seen.turn += 1
    }
    t.diagnostic(
      `${seen.done} undos and redos were done, ${seen.open} had not begun, ${seen.turn} turns were cut off; ${Math.round(wholeMs)} ms each`,
    )
  } finally {
    guest.terminal[Symbol.dispose]()
    await killing.die(guest.child)
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
})
