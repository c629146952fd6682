/**
 * A person who does not give up: sends jobs one after another, follows by cursor, and takes up again where the guest died.
 * A message that was acknowledged is never sent again: from there it is the guest's duty.
 */
import assert from 'node:assert/strict'
import type { RecordView, ServerFrame } from '../../src/protocol/index.ts'
import { newId } from '../support/conversation.ts'
import type { TestGuest } from '../support/guest-process.ts'
import { ConnectionEnded, openTerminal, type Terminal } from '../support/terminal.ts'
import type { TestWorkspace } from '../support/workspace.ts'
import { jobText } from './jobs.ts'

export interface Driver {
  /** Turn of each message, in the order of the jobs. */
  readonly turns: readonly string[]
  /** Jobs whose end was seen. */
  readonly done: number
  readonly session: string
  /** Works on jobs until `until` of them are done. @returns false when the guest died before. */
  drive(guest: TestGuest, until: number): Promise<boolean>
  /** What this terminal has seen of the session, over all connections. */
  readonly seen: readonly RecordView[]
}

type RecordFrame = Extract<ServerFrame, { type: 'record' }>

interface Begun {
  readonly session: string
  /** Messages that were acknowledged. */
  readonly turns: readonly string[]
}

export function createDriver(workspace: TestWorkspace, begun: Begun = { session: '', turns: [] }): Driver {
  const turns = [...begun.turns]
  const seen: RecordView[] = []
  let { session } = begun
  let acknowledged = turns.length
  let done = 0

  const takeIn = (frames: readonly ServerFrame[]): void => {
    for (const frame of frames) {
      if (frame.type !== 'record' || frame.payload.cursor <= (seen.at(-1)?.seq ?? 0)) continue
      seen.push(frame.payload.record)
    }
  }
  const work = async (terminal: Terminal, until: number): Promise<void> => {
    if (session === '') session = (await terminal.expect('result', 'create_session', {})).result!['id' as never]
    // The cursor of the last record that came: the guest owes everything after it, and nothing before.
    const cursor = seen.at(-1)?.seq ?? 0
    await terminal.expect('snapshot', 'subscribe', { session, cursor })
    const first = terminal.frames.find((frame) => frame.type === 'record')
    assert.ok(first === undefined || first.payload.cursor > cursor, 'what was seen is not sent again')
    while (done < until) {
      turns[done] ??= newId()
      const turn = turns[done]!
      if (acknowledged === done) {
        await terminal.expect('ack', 'send_turn', { session, client_id: turn, text: jobText(done) })
        acknowledged += 1
      }
      const isEnd = (frame: ServerFrame): frame is RecordFrame => frame.type === 'record' && isEndOf(turn)(frame.payload.record)
      if (!seen.some(isEndOf(turn))) await terminal.frame(isEnd)
      done += 1
    }
  }

  return {
    turns,
    seen,
    get done() {
      return done
    },
    get session() {
      return session
    },
    async drive(guest, until) {
      const started = await guest.started
      if (started.type === 'fatal') throw new Error(`the guest gave up: ${JSON.stringify(started)}`)
      if (started.type === 'gone') return died(started)
      let terminal: Terminal | null = null
      try {
        terminal = await openTerminal(started.url, workspace)
        approveAll(terminal)
        await work(terminal, until)
        return true
      } catch (error) {
        if (!(error instanceof ConnectionEnded)) throw error
        return died(await guest.ended())
      } finally {
        takeIn(terminal?.frames ?? [])
        terminal?.[Symbol.dispose]()
      }
    },
  }
}

const isEndOf =
  (turn: string) =>
  ({ call, phase }: RecordView): boolean =>
    String(call) === turn && phase === 'outcome'

/** Only a kill is a reason to be gone. */
function died({ signal, exitCode, stderr }: Awaited<TestGuest['gone']>): false {
  assert.equal(signal, 'SIGKILL', `the guest ended by itself (${exitCode}): ${stderr}`)
  return false
}

/** Says yes each time that a call is said to wait. After a crash its old record comes first, and it waits again a little later. */
function approveAll(terminal: Terminal): void {
  const answered = new Set<ServerFrame>()
  const watch = (): void =>
    void terminal
      .frame((frame) => !answered.has(frame) && pendingIn(frame).length > 0)
      .then((frame) => {
        answered.add(frame)
        for (const call of pendingIn(frame)) terminal.ask('approve', { call, allow: true }).catch(() => {})
        watch()
      })
      .catch(() => {})
  watch()
}

function pendingIn(frame: ServerFrame): readonly string[] {
  if (frame.type === 'snapshot') return frame.payload.pending.map((pending) => pending.call)
  return frame.type === 'record' && frame.payload.record.phase === 'parked' ? [frame.payload.record.call] : []
}
