import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Call, CallContext } from '../../types/index.ts'
import { onlineSessions } from './online-sessions.ts'

/** Hands that open what they are asked to, and list what `listed` says. */
function setup() {
  const listed: string[] = []
  const ended: string[] = []
  const closed: string[] = []
  let ending: Promise<void> = Promise.resolve()
  let opened = 0
  let issued = 0
  const nothing = { rows: [], more: 0 }
  const proxy = {
    issue: () => {
      const token = `pass-${(issued += 1)}`
      const end = async () => {
        ended.push(token)
        await ending
        return nothing
      }
      return Promise.resolve({ token, soFar: async () => nothing, end })
    },
  }
  const ask = (op: string, input: { id?: string }): Promise<unknown> => {
    if (op === 'sessionList') return Promise.resolve({ sessions: listed.map((id) => ({ id })) })
    // The wait for the beginning of a job is cancelled.
    if (op === 'sessionRead') return Promise.reject(new Error('cancelled'))
    if (op === 'sessionClose') return Promise.resolve(void closed.push(input.id ?? ''))
    const made = `shell-${(opened += 1)}`
    listed.push(made)
    return Promise.resolve({ id: made, terminal: false })
  }
  const sandbox = { hands: () => Promise.resolve({ ask }) }
  const context = { sandbox, signal: new AbortController().signal, caller: { session: 's', audience: 'model' } } as unknown as CallContext
  const [open, background] = onlineSessions(proxy).calls as readonly [Call, Call]
  return {
    ended,
    closed,
    open: () => open.run(open.example, context),
    background: () => background.run(background.example, context),
    forget: (id: string) => void listed.splice(listed.indexOf(id), 1),
    holdEnds: (until: Promise<void>) => void (ending = until),
  }
}

describe('a session with network', () => {
  it('keeps its pass when it is opened while those of sessions that are gone are taken back', async () => {
    const { open, forget, ended, holdEnds } = setup()
    await open()
    forget('shell-1')
    const release = Promise.withResolvers<void>()
    holdEnds(release.promise)
    const first = open()
    await open()
    release.resolve()
    await first
    assert.deepEqual(ended, ['pass-1'])
  })

  it('is ended, and its pass with it, when the call that began it is stopped before it has told its id', async () => {
    const { background, closed, ended } = setup()
    await assert.rejects(background(), /cancelled/)
    assert.deepEqual([closed, ended], [['shell-1'], ['pass-1']])
  })
})
